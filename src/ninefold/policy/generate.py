"""Makes a Python function of a policy.

The source is put together from fixed words and from names that are made here (`c0`, `c1`, …): whatever a policy says reaches the function
as the value that such a name is bound to, never as text of the source. Against closures over typed rules this is five times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from ninefold.domain.decision import (
    ACTION,
    APPROVAL,
    DEFAULT,
    FALLBACK,
    LIMIT,
    ON_BUDGET_BREACH,
    ROUTE_TO,
    VERIFY,
    Applied,
    Obligation,
    Reason,
    Verdict,
)
from ninefold.domain.policy import Condition, Policy

BUDGET_BREACH = "budget_breach"
ASK_HUMAN = "require_human_approval"


class Absent:
    """The value of a fact that is missing."""


ABSENT = Absent()
Get = Callable[[str, object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that stands against a request: the reason, and what would be allowed instead."""

    reason: Reason
    instead: tuple[str, ...] = ()


# Whether the policy speaks of such facts; obligations, and what stands against the request, are added to the lists.
Judge = Callable[[Get, list[Obligation], list[Finding]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A policy, ready to be asked. `duties` bind whenever it speaks, `on_pass` where nothing stands against the request, `on_fail`
    where it denies.

    `quick` leaves out what an index has made sure of: the subject, and the condition of the scope by which the policy was found. It is
    `steady` where it speaks then whatever the other facts are.
    """

    policy: Policy
    judge: Judge
    quick: Judge
    steady: bool
    applied: Applied
    passed: Reason
    duties: tuple[Obligation, ...]
    on_pass: tuple[Obligation, ...]
    on_fail: tuple[Obligation, ...]


def rule_of(policy: Policy, found_by: Condition | None = None) -> Rule:
    """`policy` as functions, and what does not depend on facts; `found_by` is the condition that an index makes sure of."""
    name = policy.name
    duties = [Obligation(kind=DEFAULT, name=each.name, value=each.value, policy=name) for each in policy.defaults]
    duties += [Obligation(kind=LIMIT, name=each.name, value=each.value, policy=name) for each in policy.limits]
    duties += [Obligation(kind=ON_BUDGET_BREACH, name=each, policy=name) for each in policy.on_budget_breach]
    return Rule(
        policy=policy,
        judge=_Source().judge([(policy, (Condition(fact="subject", op="in", values=policy.subjects), *policy.scope))]),
        quick=_Source().judge([(policy, others := tuple(each for each in policy.scope if each is not found_by))]),
        steady=not others and not _only_routes(policy),
        applied=Applied(policy=name, version=policy.version),
        passed=Reason(rule=name, verdict=Verdict.ALLOW, detail=f"Nothing in the policy {name} stands against it."),
        duties=tuple(duties),
        on_pass=(Obligation(kind=ACTION, name=policy.on_pass, policy=name),) if policy.on_pass else (),
        on_fail=(Obligation(kind=ACTION, name=policy.on_fail, policy=name),) if policy.on_fail else (),
    )


def judge_of(policies: Sequence[Policy]) -> Judge:
    """One function of many policies, none of which can be silent: each fact is looked up once for all of them."""
    return _Source().judge([(each, ()) for each in policies])


class _Source:
    _policy: Policy
    _optional: frozenset[str]

    def __init__(self) -> None:
        self._bound: dict[str, object] = {"A": ABSENT, "N": frozenset({int, float}), "B": bool, "S": str, "I": int, "F": float}
        self._names: dict[tuple[type, object], str] = {}
        self._facts: dict[str, str] = {}
        self._lines: list[str] = []

    def judge(self, policies: Sequence[tuple[Policy, Sequence[Condition]]]) -> Judge:
        """The function; only the conditions that stand with a policy can keep it silent."""
        for policy, scope in policies:
            self._policy = policy
            self._optional = frozenset(policy.ignore_missing)
            self._clauses(policy, scope)
        gets = [f" {local} = get({self._bind(fact)}, A)" for fact, local in self._facts.items()]
        # The values are variables of a closure: globals are looked up by a cache that belongs to the code, which many policies share.
        lines = ["def judge(get, duties, found):", *gets, *self._lines, " return True"]
        source = "\n".join([f"def make({', '.join(self._bound)}):", *(f" {each}" for each in lines), " return judge"])
        made: dict[str, Callable[..., Judge]] = {}
        exec(_code(source), made)  # noqa: S102  # nothing in it but our own words: see the module
        return made["make"](**self._bound)

    def _fact(self, name: str) -> str:
        """The local variable that holds a fact."""
        return self._facts.setdefault(name, f"v{len(self._facts)}")

    def _clauses(self, policy: Policy, scope: Sequence[Condition]) -> None:
        if scope or policy.branches:
            self._lines.append(" m = []")
        if scope:
            self._scope(scope)
        if policy.branches:
            self._chain(only_routes=_only_routes(policy))
        for condition in policy.require:
            self._must_hold("require", condition)
        for condition in policy.deny_if:
            against = self._finding(f"deny_if.{condition.fact}", "denied_if", f"It is denied where {condition}.")
            self._must("deny_if", condition, f"found.append({against})", hold=False)
        for condition in policy.require_approval_for:
            against = self._approval(f"require_approval_for.{condition.fact}", f"Somebody has to agree first where {condition}.")
            duty = self._bind(Obligation(kind=APPROVAL, name=condition.fact, policy=policy.name))
            self._must("require_approval_for", condition, f"found.append({against}); duties.append({duty})", hold=False)
        for bound in policy.defaults:
            if bound.condition is not None:
                self._must_hold("defaults", bound.condition, optional=True)
        for bound in policy.limits:
            if bound.condition is not None:
                self._must_hold("limits", bound.condition)
        for verifier in policy.verifiers:
            self._verifier(verifier)
        if policy.on_budget_breach:
            self._breach()

    def _bind(self, value: object) -> str:
        key = (type(value), value)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = f"c{len(self._names)}"
            self._bound[found] = value
        return found

    def _finding(self, rule: str, code: str, detail: str, *instead: str) -> str:
        reason = Reason(rule=f"{self._policy.name}.{rule}", verdict=Verdict.DENY, detail=detail, code=code)
        return self._bind(Finding(reason=reason, instead=instead))

    def _approval(self, rule: str, detail: str, *instead: str) -> str:
        reason = Reason(rule=f"{self._policy.name}.{rule}", verdict=Verdict.REQUIRE_APPROVAL, detail=detail, code="approval_required")
        return self._bind(Finding(reason=reason, instead=instead))

    def _missing(self, clause: str, fact: str) -> str:
        return self._finding(f"{clause}.{fact}", "missing_fact", f"The policy {self._policy.name} has to know {fact}, and nobody said it.")

    def _wrong_kind(self, clause: str, fact: str) -> str:
        detail = f"The policy {self._policy.name} cannot compare {fact}: it is of another kind than the rule's value."
        return self._finding(f"{clause}.{fact}", "wrong_kind", detail)

    def _test(self, clause: str, condition: Condition, into: str, outcomes: tuple[str, str], *, optional: bool, depth: int) -> None:
        """Puts down `condition`: what is missing or of the wrong kind is added to the list `into`, `outcomes` act where it holds and where
        it does not. A missing fact that may be missing does neither; in a match it counts as a condition that does not hold."""
        put, holds, fails = " " * depth, *outcomes
        put_lines = self._lines
        v, w = self._fact(condition.fact), self._fact(condition.than) if condition.than else ""
        if condition.op == "known":
            missing = self._missing(clause, condition.fact)
            put_lines.append(f"{put}if {v} is A or {v} is False: {f'{into}.append({missing})' if not optional else 'pass'}")
            return
        absent = [(v, condition.fact)]
        if condition.than:
            absent.append((w, condition.than))
        word = "if"
        for name, fact in absent:
            passed_over = optional or fact in self._optional
            act = "pass" if passed_over else f"{into}.append({self._missing(clause, fact)})"
            if passed_over and into == "m":
                act = fails
            put_lines.append(f"{put}{word} {name} is A: {act}")
            word = "elif"
        unusable, true = self._expressions(condition, v, w)
        put_lines.append(f"{put}elif {unusable}: {into}.append({self._wrong_kind(clause, condition.fact)})")
        if holds:
            put_lines.append(f"{put}elif {true}: {holds}")
            if fails:
                put_lines.append(f"{put}else: {fails}")
        else:
            put_lines.append(f"{put}elif not ({true}): {fails}")

    def _expressions(self, condition: Condition, v: str, w: str) -> tuple[str, str]:
        """When the variable `v` (and `w`) cannot be compared, and when the condition holds."""
        op = condition.op
        if condition.than:
            numbers = f"{v}.__class__ in N and {w}.__class__ in N"
            if op in {"==", "!="}:
                return f"not (({numbers}) or {v}.__class__ is {w}.__class__) or {v} != {v} or {w} != {w}", f"{v} {op} {w}"
            return f"not ({numbers}) or {v} != {v} or {w} != {w}", f"{v} {op} {w}"
        first = condition.values[0]
        values = frozenset(condition.values) if op == "in" else first
        unusable = f"{v}.__class__ is not B" if isinstance(first, bool) else f"{v}.__class__ is not S"
        if not isinstance(first, bool | str):
            unusable = f"{v}.__class__ is not I and ({v}.__class__ is not F or {v} != {v})"
        return unusable, f"{v} {op} {self._bind(values)}"

    def _must(self, clause: str, condition: Condition, act: str, *, hold: bool, optional: bool = False) -> None:
        self._test(clause, condition, "found", ("", act) if hold else (act, ""), optional=optional, depth=1)

    def _must_hold(self, clause: str, condition: Condition, *, optional: bool = False) -> None:
        detail = f"The policy {self._policy.name} asks for {condition}."
        against = self._finding(f"{clause}.{condition.fact}", "requirement_not_met", detail, str(condition))
        optional = optional or (condition.op == "known" and condition.fact in self._optional)
        self._must(clause, condition, f"found.append({against})", hold=True, optional=optional)

    def _scope(self, scope: Sequence[Condition]) -> None:
        """One condition that fails makes the policy silent, whatever is missing; otherwise what is missing stands against the request."""
        for condition in scope:
            self._test("match", condition, "m", ("", "return False"), optional=False, depth=1)
        self._lines.append(" if m:")
        self._lines.append("  found.extend(m)")
        self._lines.append("  return True")

    def _chain(self, *, only_routes: bool) -> None:
        """The first branch that holds decides; one that cannot be told holds up those after it."""
        put = self._lines
        put.append(" while True:")
        for number, branch in enumerate(self._policy.branches):
            put.append("  ok = True")
            for condition in branch.match:
                self._test(f"route_to[{number}]", condition, "m", ("", "ok = False"), optional=False, depth=2)
            duty = self._bind(Obligation(kind=ROUTE_TO, name=branch.route_to, policy=self._policy.name))
            put.append("  if ok:")
            put.append(f"   if not m: duties.append({duty})")
            put.append("   break")
            put.append("  m.clear()")
        put.append("  return False" if only_routes else "  break")
        put.append(" if m: found.extend(m)")

    def _verifier(self, verifier: str) -> None:
        name = self._policy.name
        unverified = self._finding(f"verifiers.{verifier}", "not_verified", f"{verifier} has to have passed, and its verdict is not there.")
        failed = self._finding(f"verifiers.{verifier}", "verifier_failed", f"{verifier} has not passed.")
        run = self._bind(Obligation(kind=VERIFY, name=verifier, policy=name))
        act = f"found.append({failed})"
        if self._policy.on_verifier_fail:
            act += f"; duties.append({self._bind(Obligation(kind=FALLBACK, name=self._policy.on_verifier_fail, policy=name))})"
        v = self._fact(verifier)
        self._lines.append(f" if {v} is A: found.append({unverified}); duties.append({run})")
        self._lines.append(f" elif {v} is not True: {act}")

    def _breach(self) -> None:
        """A budget that nobody calls breached is not breached: it is an event, and what has not happened is not reported."""
        steps = self._policy.on_budget_breach
        instead = tuple(each for each in steps if each != ASK_HUMAN)
        detail = "A budget is breached"
        if ASK_HUMAN in steps:
            against = self._approval("on_budget_breach", f"{detail}; somebody has to agree first.", *instead)
            duty = self._bind(Obligation(kind=APPROVAL, name=BUDGET_BREACH, policy=self._policy.name))
            act = f"found.append({against}); duties.append({duty})"
        else:
            act = f"found.append({self._finding('on_budget_breach', 'budget_breached', f'{detail}.', *instead)})"
        v = self._fact(BUDGET_BREACH)
        self._lines.append(f" if {v} is not A and {v} is not False: {act}")


@lru_cache(maxsize=1024)
def _code(source: str) -> CodeType:
    """The code of `source`. Policies of one shape differ in their values alone, so that a thousand of them are a handful of sources, and
    compiling is the dear part."""
    return compile(source, "<policy>", "exec")


def _only_routes(policy: Policy) -> bool:
    """Whether a policy says nothing but where requests go."""
    beside = (policy.require, policy.deny_if, policy.require_approval_for, policy.defaults, policy.limits, policy.verifiers)
    return bool(policy.branches) and not any((*beside, policy.on_budget_breach, policy.on_pass, policy.on_fail))
