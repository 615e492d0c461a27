"""Asks every policy that may have something to say, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ninefold.domain.decision import ACTION, APPROVAL, FALLBACK, VERIFY, Applied, Obligation, Reason, Ruling, Verdict
from ninefold.domain.policy import Condition, Policy, Scalar
from ninefold.policy.generate import ABSENT, BUDGET_BREACH, Finding, Rule, rule_of

Facts = Mapping[str, Scalar]
# Policies are looked up by these before any other fact: tenants and models tell policies apart best.
_FIRST = ("tenant", "model", "task_class")
_MOST_KNOWN = 4_096
_WHEN_REFUSED = frozenset({ACTION, APPROVAL, FALLBACK, VERIFY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What all policies together say. On a denial `reasons` are all that stands against the request, otherwise who had nothing
    against it."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    ruling: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The policies that a combination of facts concerns, in their order, and the facts that they look at."""

    rules: tuple[Rule, ...]
    facts: tuple[str, ...]


class PolicyEngine:
    """Policies, indexed by the text facts that their scope names, each made into a function.

    A policy whose scope names a fact is not asked about requests in which it has another value: of a thousand policies of a hundred
    tenants a request meets its own. All others are asked; nothing stops at the first denial.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        rules = [rule_of(each) for each in policies]
        self._always: list[tuple[int, Rule]] = []
        self._tables: dict[str, dict[str, list[tuple[int, Rule]]]] = {}
        for place, rule in enumerate(rules):
            found = _index_of(rule.policy)
            if found is None:
                self._always.append((place, rule))
                continue
            table = self._tables.setdefault(found[0], {})
            for value in found[1]:
                table.setdefault(value, []).append((place, rule))
        self._index = tuple((fact, frozenset(table)) for fact, table in self._tables.items())
        self._known: dict[tuple[str | None, ...], _Asked] = {}

    def judge(self, facts: Facts) -> Judgement:
        """The verdict of all policies: a denial counts before a call for approval, and that before consent."""
        get = facts.get
        # What no policy names is all the same to them, so that callers who make up values cost no memory.
        key = tuple([_value(get(fact, ABSENT), values) for fact, values in self._index])
        asked = self._known.get(key)
        if asked is None:
            asked = self._remember(key)
        duties: list[Obligation] = []
        passed: list[Reason] = []
        applied: list[Applied] = []
        against: list[Finding] = []
        for rule in asked.rules:
            found = rule.judge(get, duties)
            if found is None:
                continue
            applied.append(rule.applied)
            duties += rule.duties
            if not found:
                passed.append(rule.passed)
                duties += rule.on_pass
            else:
                against += found
                if rule.on_fail and any(each.reason.verdict is Verdict.DENY for each in found):
                    duties += rule.on_fail
        used = tuple([(name, facts[name]) for name in asked.facts if name in facts])
        if against:
            return _refused(against, applied, used, duties)
        ruling = Ruling(policies=tuple(applied), facts=used, obligations=tuple(duties))
        return Judgement(verdict=Verdict.ALLOW, reasons=tuple(passed), ruling=ruling)

    def _remember(self, key: tuple[str | None, ...]) -> _Asked:
        chosen = list(self._always)
        for (fact, _), value in zip(self._index, key, strict=True):
            table = self._tables[fact]
            # A fact that is missing, or no text, may be what a policy has to complain about.
            lists = table.values() if value is None else (table.get(value, ()),)
            chosen += chain.from_iterable(lists)
        places = dict(chosen)
        rules = tuple(places[place] for place in sorted(places))
        asked = _Asked(rules=rules, facts=tuple(sorted({fact for rule in rules for fact in facts_of(rule.policy)})))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = asked
        return asked


def facts_of(policy: Policy) -> Iterator[str]:
    """Every fact that `policy` looks at; some come twice."""
    yield "subject"
    for condition in conditions_of(policy):
        yield condition.fact
        if condition.than:
            yield condition.than
    yield from policy.verifiers
    if policy.on_budget_breach:
        yield BUDGET_BREACH


def conditions_of(policy: Policy) -> Iterator[Condition]:
    """Every condition in `policy`."""
    yield from policy.scope
    for branch in policy.branches:
        yield from branch.match
    yield from (*policy.require, *policy.deny_if, *policy.require_approval_for)
    for bound in (*policy.defaults, *policy.limits):
        if bound.condition is not None:
            yield bound.condition


def _value(value: object, values: frozenset[str]) -> str | None:
    """`value` where policies name it, "" for any other text, None for what is missing or no text."""
    if value.__class__ is not str:
        return None
    return value if value in values else ""  # pyright: ignore[reportReturnType]  # its class was looked at, which is quicker than isinstance


def _refused(
    against: Iterable[Finding], applied: list[Applied], used: tuple[tuple[str, Scalar], ...], duties: list[Obligation]
) -> Judgement:
    reasons = tuple([each.reason for each in against])
    denied = any(each.verdict is Verdict.DENY for each in reasons)
    ruling = Ruling(
        policies=tuple(applied),
        facts=used,
        obligations=tuple(dict.fromkeys(each for each in duties if not denied or each.kind in _WHEN_REFUSED)),
        alternatives=tuple(dict.fromkeys(instead for each in against for instead in each.instead)),
    )
    return Judgement(verdict=Verdict.DENY if denied else Verdict.REQUIRE_APPROVAL, reasons=reasons, ruling=ruling)


def _index_of(policy: Policy) -> tuple[str, tuple[str, ...]] | None:
    """A fact and the only texts of it under which `policy` may speak; None where there is no such fact."""
    found: dict[str, tuple[str, ...]] = {}
    for condition in policy.scope:
        texts = tuple(each for each in condition.values if isinstance(each, str) and each)
        if condition.op in {"==", "in"} and texts and len(texts) == len(condition.values):
            found.setdefault(condition.fact, texts)
    if not found:
        return None
    fact = next((each for each in _FIRST if each in found), next(iter(found)))
    return fact, found[fact]
