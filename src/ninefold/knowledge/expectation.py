"""What kind of thing a question asks for, and whether a sentence holds one."""

from __future__ import annotations

import re
from enum import StrEnum

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|mar(?:ch|s)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|sep(?:t(?:ember)?)?"
    r"|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?)"
)


class Expected(StrEnum):
    """The kind of answer that a question word announces."""

    PERSON = "person"
    TIME = "time"
    PLACE = "place"
    NUMBER = "number"
    REASON = "reason"
    METHOD = "method"
    DEFINITION = "definition"
    LIST = "list"
    ANY = "any"


# The first that matches counts. English, with the plain question words of German, French and Spanish.
_ASKS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for kind, pattern in (
        (
            Expected.TIME,
            r"""\A\W*(?:and\s|but\s|or\s)?when\b
            | \b(?:what\s(?:time|date|day|year|month) | which\s(?:date|day|year|month) | how\s(?:long|often|soon|old|quickly)
            | (?:until|by|since)\swhen | deadline | wann | wie\s(?:lange|oft) | quand | combien\sde\stemps | cuándo | cuánto\stiempo)\b""",
        ),
        (
            Expected.NUMBER,
            r"""\b(?:how\s(?:many|much|far|big|large|tall|high|fast|hot|heavy) | what\s(?:number|percentage|percent|amount|fraction|share
            |price|cost|size) | what\sis\sthe\s(?:\w+\s)?(?:cost|price|fee|limit|rate|number|amount|maximum|minimum|budget|salary
            |temperature|threshold|port|version) | wie\s(?:viele?|hoch|groß) | combien | cuánt[oa]s?)\b""",
        ),
        (Expected.PERSON, r"\b(?:who|whom|whose|wer|wem|wen|qui|quién|quien)\b"),
        (
            Expected.PLACE,
            r"""\b(?:where | (?:in\s)?(?:which|what)\s(?:city|country|place|region|building|room|office|folder|directory)
            | wo | wohin | où | dónde)\b""",
        ),
        (
            Expected.REASON,
            r"\b(?:why | what\s(?:is\sthe\sreason|causes?|caused) | how\scome | reasons? | warum | weshalb | pourquoi | por\squé)\b",
        ),
        (
            Expected.LIST,
            r"""\b(?:what|which|list|name)\b.{0,40}\b(?:are|steps|kinds|types|examples|symptoms|requirements|options|features|items|all
            |following|things)\b""",
        ),
        (Expected.METHOD, r"\b(?:how\s(?:do|does|can|to|should|would|is|are|did) | wie\s(?:kann|wird|werden|muss) | comment | cómo)\b"),
        (Expected.DEFINITION, r"\A\W*(?:what(?:'s|\sis|\sare|\swas) | define | was\s(?:ist|sind) | qu'est-ce | qué\s(?:es|son))\b"),
    )
)
_ANY_CASE = {
    Expected.TIME: r"""\b(?:1\d{3}|20\d\d)\b | \b\d{1,2}[:.]\d\d\b | \bMONTH\b | \b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b
        | \b(?:second|minute|hour|day|night|week|month|quarter|year|decade|tag|woche|monat|jahr|jour|mois|día)(?:e?[ns])?\b
        | \b(?:daily|weekly|monthly|quarterly|yearly|annual(?:ly)?|immediately|today|tomorrow|always|never|once|twice|noon|midnight)\b
        | [0-9\u3007一二三四五六七八九十百]+[年月日時时分]""",
    Expected.NUMBER: r"""\d | [%€$£\u3007一二三四五六七八九十百千万] | \b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve
        |twenty|thirty|forty|fifty|sixty|hundred|thousand|million|billion|half|third|quarter|dozen|none|no|unlimited|ein[es]?|zwei
        |drei|vier|fünf|zehn)\b""",
    Expected.REASON: r"""\b(?:because|since|due\sto|owing\sto|so\sthat|in\sorder\sto|therefore|thus|hence|caused?|leads?\sto|reasons?
        |as\sa\sresult|prevents?|avoid|weil|denn|damit|deshalb|parce\sque|afin|porque)\b""",
    Expected.METHOD: r"""\b(?:by|using|use|via|through|with|must|should|can|run|click|open|select|set|submit|send|contact|apply|follow|ask
        |fill|durch|indem|über)\b""",
    Expected.DEFINITION: r"""\b(?:is|are|was|were|means?|refers?\sto|stands\sfor|defined\sas|called|denotes|consists?\sof|ist|sind|heißt
        |bedeutet|est|sont|es|son)\b""",
    Expected.LIST: r"[,;:、] | \b(?:and|or|und|oder)\b",
}
# A name is told by its capitals, so these two heed them.
_EXACT = {
    Expected.PERSON: r"""(?<!^)(?<![.!?]\s)\b[A-Z][\w'\u2019-]+\s+(?:[A-Z]\.\s+)?[A-Z][\w'\u2019-]+
        | \b(?:team|manager|officer|director|department|owner|lead|committee|board|head|staff|employees?|people|anyone|everyone|persons?
        |customers?|users?|buyers?|sellers?|admin\w*|president|founder|author|CEO|CTO|CFO|he|she|they)\b""",
    Expected.PLACE: r"""\b(?:in|at|near|from|to|on|under|inside|located|based|via|am|im|bei|à|dans|en)\s+(?:the\s+)?["'`/~]?[A-Z0-9/~`]
        | https?:// | /\w+/ | \b(?:room|building|floor|street|office|site|region|country|city)\b""",
}
_HOLDS = {kind: re.compile(pattern.replace("MONTH", _MONTH), re.IGNORECASE | re.VERBOSE) for kind, pattern in _ANY_CASE.items()} | {
    kind: re.compile(pattern, re.VERBOSE) for kind, pattern in _EXACT.items()
}


def expected(question: str) -> Expected:
    """What the question asks for; ANY where its words do not say."""
    return next((kind for kind, pattern in _ASKS if pattern.search(question)), Expected.ANY)


def holds(kind: Expected, sentence: str) -> bool:
    """Whether the sentence has something of that kind in it; every sentence has where anything will do."""
    pattern = _HOLDS.get(kind)
    return pattern is None or bool(pattern.search(sentence))
