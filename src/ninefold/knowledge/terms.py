"""The words of a text as ranking compares them: folded, stemmed a little, numbers as digits, East Asian script as pairs of characters."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# \u2019 is the apostrophe of typeset text.
_WORD = re.compile(r"[^\W_]+(?:[.,:][0-9]+)*(?:['\u2019][^\W\d_]+)?")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")  # scripts written without spaces, and Hangul
_GRAMMATICAL = re.compile(r"[\u3040-\u309f]")  # hiragana: particles and endings
_MEASURE = re.compile(
    r"\bhow (?:many|much|long|often|far|big|large|old|soon|quickly|fast|high|tall)\b|\bwie (?:lange|viele?|hoch|oft|groß)\b"
)
_VOWEL = re.compile(r"[aeiouy]")
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TENS = {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}
_NUMBERS = {word: str(value) for value, word in enumerate(_UNITS)} | _TENS

# Words that say nothing about what is asked: English, then German, French, Spanish, Italian and Dutch, then pairs of Chinese.
_STOP = """
    a about above after again all also am an and any are as at be because been before being below between both but by can
    cannot could did do does doing down during each few for from further get had has have having he her here hers him his
    how i if in into is it its itself just let me might more most much must my no nor not of off on once only or other our
    out over own please same say says she should so some such tell than that the their them then there these they this
    those through to too under until up us very was we were what when where which while who whom whose why will with would
    you your yours i'm what's it's don't according document documents text given find explain answer question file

    der die das den dem des ein eine einer eines einem einen und oder aber ist sind war waren wird werden wurde hat haben
    hatte zu zum zur im in am an auf aus bei mit nach von vom vor für über unter durch um als auch es er sie wir ihr ich
    nicht wie was wer wo wann warum welche welcher welches man sich dass

    le la les un une des du de et ou est sont était au aux ce cette ces dans en par pour sur avec qui que quoi où quand
    comment combien pourquoi quel quelle quels quelles il elle ils elles nous vous je ne pas se son sa ses leur leurs

    el los las uno unos unas del y o es son fue al este esta estos estas con para por sobre qué quién cuándo dónde cómo
    cuánto cuántos cuántas cuál cuáles su sus lo

    gli della dello dei delle e è di da nel nella che chi cosa quando dove come quanto quanti quale si
    het een of zijn wordt worden van op aan met voor door naar bij wie waar wanneer hoe welke niet er dat dit

    什么 多少 哪里 如何 怎么 为什 何日 何時
"""
STOP_WORDS = frozenset(_STOP.split())

# An ending, and how much must stay: "cancellation" loses it, "station" does not.
_ENDINGS = (("ation", 4), ("ition", 4), ("ional", 4), ("ment", 4), ("ing", 3), ("ion", 5), ("ed", 3), ("er", 4), ("al", 4), ("ly", 4))


def terms(text: str) -> list[str]:
    """The words of `text` in order, repeated as often as they stand there, stop words too."""
    found: list[str] = []
    for match in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        word: str = match
        if not word.isascii():
            if _DENSE.search(word):
                found.extend(_pairs(word))
                continue
            word = _unmarked(word.replace("\u2019", "'"))
        found.append(stem(word))
    return found


def content_terms(text: str) -> list[str]:
    """The distinct words of `text` that say what it is about, in order; all of its words where none does."""
    folded = _MEASURE.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'"))
    told = [word for word in _WORD.findall(folded) if word not in STOP_WORDS]
    chosen = [term for term in terms(" ".join(told)) if term not in STOP_WORDS]
    stated = [term for term in chosen if not _GRAMMATICAL.search(term)]
    return list(dict.fromkeys(stated or chosen or terms(text)))


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """An ASCII word without its commonest English endings, so that "returned", "returns" and "return" compare equal."""
    word = word.split("'", 1)[0]
    if word in _NUMBERS:
        return _NUMBERS[word]
    if len(word) <= 3 or not word.isalpha():
        return word
    word = _without_plural(word)
    for ending, least in _ENDINGS:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= least and _VOWEL.search(rest):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sze":
        word = word[:-1]
    word = word.removesuffix("e") if len(word) > 4 else word
    word = word.removesuffix("at") if len(word) >= 7 else word
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word


def _without_plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _unmarked(word: str) -> str:
    """The word without accents, so that "Rückgabe" and "Ruckgabe" compare equal."""
    return "".join(char for char in unicodedata.normalize("NFD", word) if not unicodedata.combining(char))


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)] or [word]
