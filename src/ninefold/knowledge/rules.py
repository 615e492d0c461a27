"""Answers that need no model: a rule's pattern finds the question, a query or a search finds the facts, a sentence carries them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ninefold.knowledge.answer import Citation
from ninefold.knowledge.question import Asked
from ninefold.knowledge.reader import answer as read
from ninefold.knowledge.sources import Source
from ninefold.ports.rule_facts import RuleFacts

# Patterns are the operator's own, the text is anybody's: the end of it is where the question stands.
MAX_TEXT_CHARS = 16_384
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of question. `patterns` are looked for in the last user text, in any case; their named groups are values.

    `query` is SQL with `:name` places for the values, `search` the name of a collection of texts; without both the answer stands alone.
    `answer` is said once a row, with `{name}` places for columns and values. `otherwise` is the answer where no row is found; without it
    the rule does not match then.
    """

    name: str
    patterns: tuple[re.Pattern[str], ...]
    answer: str = ""
    query: str | None = None
    search: str | None = None
    otherwise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """What a rule says, and which one."""

    rule: str
    text: str
    citations: tuple[Citation, ...] = ()


def answer(rules: Sequence[Rule], facts: RuleFacts, asked: str) -> RuleAnswer | None:
    """The answer of the first rule that matches the last 16,384 characters of `asked` and finds its facts; None where none does."""
    asked = asked[-MAX_TEXT_CHARS:]
    for rule in rules:
        for pattern in rule.patterns:
            found = pattern.search(asked)
            if found is None:
                continue
            said = _said(rule, facts, asked, {name: value for name, value in found.groupdict().items() if value is not None})
            if said is not None:
                return said
    return None


def _said(rule: Rule, facts: RuleFacts, asked: str, values: Mapping[str, str]) -> RuleAnswer | None:
    if rule.search is not None:
        found = read(Asked(question=asked, sources=tuple(Source(name=name, text=text) for name, text in facts.texts(rule.search))), None)
        if found.found:
            return RuleAnswer(rule=rule.name, text=found.text, citations=found.citations)
    elif rule.query is not None:
        rows = facts.rows(rule.query, values)
        if rows:
            return RuleAnswer(rule=rule.name, text="\n".join(filled(rule.answer, {**values, **row}) for row in rows))
    else:
        return RuleAnswer(rule=rule.name, text=filled(rule.answer, values))
    return None if rule.otherwise is None else RuleAnswer(rule=rule.name, text=filled(rule.otherwise, values))


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{name}` replaced by its value; a name that has none stays as it is written."""
    return _PLACE.sub(lambda place: values.get(place.group(1), place.group(0)), template)


def places(template: str) -> frozenset[str]:
    """The names that `template` has places for."""
    return frozenset(_PLACE.findall(template))
