"""Asks every policy that may have something to say, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ninefold.domain.decision import ACTION, APPROVAL, FALLBACK, VERIFY, Applied, Obligation, Reason, Ruling, Verdict
from ninefold.domain.policy import Condition, Policy, Scalar
from ninefold.policy.generate import ABSENT, BUDGET_BREACH, Finding, Get, Judge, Rule, judge_of, rule_of

Facts = Mapping[str, Scalar]
# Policies are looked up by these before any other fact: tenants and models tell policies apart best.
_FIRST = ("tenant", "model", "task_class")
_MOST_KNOWN = 4_096
_MOST_TOGETHER = 32
_WHEN_REFUSED = frozenset({ACTION, APPROVAL, FALLBACK, VERIFY})


# Not frozen, like the decision that is made of it.
@dataclass(slots=True, kw_only=True)
class Judgement:
    """What all policies together say. On a denial `reasons` are all that stands against the request, otherwise who had nothing
    against it."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    ruling: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The policies that a combination of facts concerns, in their order, each with the function that is asked; the facts that they look
    at. Where all are `steady`, functions of many policies stand there, and the last three hold for every request that nothing stands
    against."""

    rules: tuple[tuple[Rule, Judge], ...]
    facts: tuple[str, ...]
    steady: tuple[Judge, ...]
    applied: tuple[Applied, ...]
    passed: tuple[Reason, ...]
    duties: tuple[Obligation, ...]


class PolicyEngine:
    """Policies, indexed by the text facts that their scope names, each made into a function.

    A policy whose scope names a fact is not asked about requests in which it has another value: of a thousand policies of a hundred
    tenants a request meets its own. All others are asked; nothing stops at the first denial.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._rules: list[Rule] = []
        self._found_by: list[str] = []
        self._tables: dict[str, dict[str, list[int]]] = {}
        for place, policy in enumerate(policies):
            condition = _index_of(policy)
            self._rules.append(rule_of(policy, condition))
            self._found_by.append("" if condition is None else condition.fact)
            for value in () if condition is None else condition.values:
                assert isinstance(value, str)
                self._tables.setdefault(self._found_by[place], {}).setdefault(value, []).append(place)
        subjects = frozenset(each for policy in policies for each in policy.subjects)
        self._index = (("subject", subjects), *((fact, frozenset(table)) for fact, table in self._tables.items()))
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
        found: list[Finding] = []
        used = tuple([(name, facts[name]) for name in asked.facts if name in facts])
        if asked.steady:
            for judge in asked.steady:
                judge(get, duties, found)
            if not found:
                ruling = Ruling(policies=asked.applied, facts=used, obligations=(*duties, *asked.duties))
                return Judgement(verdict=Verdict.ALLOW, reasons=asked.passed, ruling=ruling)
        return _one_by_one(asked, get, used)

    def _remember(self, key: tuple[str | None, ...]) -> _Asked:
        """Whom to ask. A fact that is missing, or no text, may be what a policy has to complain about."""
        values = dict(zip((fact for fact, _ in self._index), key, strict=True))
        subject = values["subject"]
        chosen: list[tuple[Rule, Judge]] = []
        for place, (rule, fact) in enumerate(zip(self._rules, self._found_by, strict=True)):
            value = values[fact] if fact else ""
            if subject is not None and subject not in rule.policy.subjects:
                continue
            if not fact or value is None or place in self._tables[fact].get(value, ()):
                chosen.append((rule, rule.judge if subject is None or value is None else rule.quick))
        rules = [rule for rule, _ in chosen]
        asked = _Asked(
            rules=tuple(chosen),
            facts=tuple(sorted({fact for rule in rules for fact in facts_of(rule.policy)})),
            steady=_together(rules) if all(rule.steady and judge is rule.quick for rule, judge in chosen) else (),
            applied=tuple(each.applied for each in rules),
            passed=tuple(each.passed for each in rules),
            duties=tuple(duty for each in rules for duty in (*each.duties, *each.on_pass)),
        )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = asked
        return asked


def _together(rules: Sequence[Rule]) -> tuple[Judge, ...]:
    """One function of all of them, unless they are so many that making it, at the first such request, holds up others."""
    return (judge_of([each.policy for each in rules]),) if len(rules) <= _MOST_TOGETHER else tuple(each.quick for each in rules)


def _one_by_one(asked: _Asked, get: Get, used: tuple[tuple[str, Scalar], ...]) -> Judgement:
    """The verdict where it has to be known which policies speak, and what each of them says."""
    duties: list[Obligation] = []
    passed: list[Reason] = []
    applied: list[Applied] = []
    against: list[Finding] = []
    for rule, judge in asked.rules:
        before = len(against)
        if not judge(get, duties, against):
            continue
        applied.append(rule.applied)
        duties += rule.duties
        if len(against) == before:
            passed.append(rule.passed)
            duties += rule.on_pass
        elif rule.on_fail and any(each.reason.verdict is Verdict.DENY for each in against[before:]):
            duties += rule.on_fail
    if against:
        return _refused(against, applied, used, duties)
    ruling = Ruling(policies=tuple(applied), facts=used, obligations=tuple(duties))
    return Judgement(verdict=Verdict.ALLOW, reasons=tuple(passed), ruling=ruling)


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


def _index_of(policy: Policy) -> Condition | None:
    """A condition without which `policy` is silent, and by whose texts it can be found."""
    found: dict[str, Condition] = {}
    for condition in policy.scope:
        if condition.op in {"==", "in"} and condition.values and all(isinstance(each, str) and each for each in condition.values):
            found.setdefault(condition.fact, condition)
    return next((found[each] for each in (*_FIRST, *found) if each in found), None)
