"""What is wrong with policies that can all be read: facts that nobody has, clauses that contradict each other, branches that are never
reached, policies that nobody owns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ninefold.domain.policy import REQUEST, Condition, Policy, Scalar
from ninefold.policy.conditions import kind_of
from ninefold.policy.read import near
from ninefold.policy.request_facts import REQUEST_FACTS
from ninefold.wire.policy.written import Remark

_NOT_OF_REQUESTS = ("defaults", "verifiers", "on_verifier_fail", "on_pass", "on_fail")
_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A policy, and the lines in which its clauses stand."""

    policy: Policy
    lines: Mapping[str, int]

    def line(self, path: str) -> int:
        """Where `path` stands, or else what is around it."""
        return self.lines.get(path) or next((line for each, line in self.lines.items() if path in each), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """A condition with its place: `required` where it has to hold, otherwise it has to fail."""

    placed: Placed
    path: str
    condition: Condition
    required: bool


def look_at(policies: Sequence[Placed]) -> list[tuple[Remark, ...]]:
    """What is to be said of each, looked at alone and beside the others."""
    said = [[*_alone(each)] for each in policies]
    by_place = {id(each): number for number, each in enumerate(policies)}
    names: dict[str, Placed] = {}
    for each, remarks in zip(policies, said, strict=True):
        if names.setdefault(each.policy.name, each) is not each:
            remarks.append(_remark(each, "policy", "duplicate", f"there is another policy of the name {each.policy.name}"))
    for placed, remark in _conflicts(policies):
        said[by_place[id(placed)]].append(remark)
    return [tuple(sorted(remarks, key=lambda one: one.line)) for remarks in said]


def _remark(placed: Placed, path: str, kind: str, message: str, *, error: bool = True) -> Remark:
    return Remark(line=placed.line(path), path=path, kind=kind, message=message, error=error)


def _alone(placed: Placed) -> Iterator[Remark]:
    policy = placed.policy
    if not policy.owner:
        yield _remark(placed, "policy", "ownerless", "nobody owns this policy: add `owner:`", error=False)
    if REQUEST in policy.subjects:
        for name in _NOT_OF_REQUESTS:
            if getattr(policy, name):
                message = f"{name} says nothing of a request: give the policy `applies_to:` what it speaks of"
                yield _remark(placed, name, "wrong_subject", message)
        for path, condition in _placed_conditions(policy):
            yield from _facts(placed, path, condition)
    yield from _unreachable(placed)


def _placed_conditions(policy: Policy) -> Iterator[tuple[str, Condition]]:
    for each in policy.scope:
        yield "match", each
    for number, branch in enumerate(policy.branches):
        for each in branch.match:
            yield f"branches[{number}]", each
    for clause in ("require", "deny_if", "require_approval_for"):
        for number, each in enumerate(getattr(policy, clause)):
            yield f"{clause}[{number}]", each
    for number, bound in enumerate(policy.limits):
        if bound.condition is not None:
            yield f"limits[{number}]", bound.condition


def _facts(placed: Placed, path: str, condition: Condition) -> Iterator[Remark]:
    """Facts that no request has, and values of another kind than theirs."""
    for fact in filter(None, (condition.fact, condition.than)):
        if fact not in REQUEST_FACTS:
            yield _remark(placed, path, "unknown_fact", f"no request has a fact '{fact}'{near(fact, sorted(REQUEST_FACTS))}")
    known = REQUEST_FACTS.get(condition.fact)
    wanted = kind_of(condition.values[0]) if condition.values else "number" if condition.op not in {"==", "!=", "known"} else None
    if known is not None and wanted is not None and known[0] != wanted:
        yield _remark(placed, path, "wrong_kind", f"{condition.fact} is {known[0]}, and the rule compares it with a {wanted}")


def _unreachable(placed: Placed) -> Iterator[Remark]:
    scope, branches = placed.policy.scope, placed.policy.branches
    for number, branch in enumerate(branches):
        own = (*scope, *branch.match)
        path = f"branches[{number}]"
        if not _possible(own):
            yield _remark(placed, path, "unreachable", "this branch can never be taken: its conditions exclude each other", error=False)
            continue
        for before in range(number):
            if all(any(_implies(one, other) for one in own) for other in branches[before].match):
                line = placed.line(f"branches[{before}]")
                yield _remark(
                    placed, path, "unreachable", f"this branch is never reached: the one in line {line} takes all of it", error=False
                )
                break


def _conflicts(policies: Sequence[Placed]) -> Iterator[tuple[Placed, Remark]]:
    """Clauses of the same scope that can never be met together, and routes of the same match that differ."""
    groups: dict[tuple[str, frozenset[Condition]], list[Placed]] = {}
    for each in policies:
        for subject in each.policy.subjects:
            groups.setdefault((subject, frozenset(each.policy.scope)), []).append(each)
    seen: set[tuple[int, str, int, str]] = set()
    for group in groups.values():
        for one, other, message in (*_contradictions(group), *_routes_apart(group)):
            key = (id(one[0]), one[1], id(other[0]), other[1])
            if key in seen:
                continue
            seen.add(key)
            where = f"line {one[0].line(one[1])}" if one[0] is other[0] else f"{one[0].policy.name}, line {one[0].line(one[1])}"
            yield other[0], _remark(other[0], other[1], "conflict", f"{message} ({where})")


_Spot = tuple[Placed, str]


def _contradictions(group: Sequence[Placed]) -> Iterator[tuple[_Spot, _Spot, str]]:
    by_fact: dict[str, list[_Clause]] = {}
    for placed in group:
        for required, key in ((True, "require"), (False, "deny_if")):
            for number, condition in enumerate(getattr(placed.policy, key)):
                clause = _Clause(placed=placed, path=f"{key}[{number}]", condition=condition, required=required)
                by_fact.setdefault(condition.fact, []).append(clause)
    for clauses in by_fact.values():
        for number, other in enumerate(clauses):
            for one in clauses[:number]:
                if (one.required or other.required) and _exclude(one, other):
                    message = f"'{other.condition}' is {'required' if other.required else 'denied'}, and '{one.condition}' is "
                    message += f"{'required' if one.required else 'denied'}: no request can meet both"
                    yield (one.placed, one.path), (other.placed, other.path), message


def _exclude(one: _Clause, other: _Clause) -> bool:
    if one.condition.than or other.condition.than:
        return one.condition == other.condition and one.required is not other.required
    values = _samples((one.condition, other.condition))
    return not any(
        _holds(one.condition, each) is one.required and _holds(other.condition, each) is other.required
        for each in values
        if _comparable(one.condition, each) and _comparable(other.condition, each)
    )


def _routes_apart(group: Sequence[Placed]) -> Iterator[tuple[_Spot, _Spot, str]]:
    known: dict[frozenset[Condition], tuple[_Spot, str]] = {}
    for placed in group:
        for number, branch in enumerate(placed.policy.branches):
            spot = (placed, f"branches[{number}]")
            first, route = known.setdefault(frozenset(branch.match), (spot, branch.route_to))
            if route != branch.route_to and first[0] is not placed:
                yield first, spot, f"the same match is routed to {route} and to {branch.route_to}"


def _possible(conditions: Iterable[Condition]) -> bool:
    by_fact: dict[str, list[Condition]] = {}
    for each in conditions:
        if not each.than:
            by_fact.setdefault(each.fact, []).append(each)
    return all(any(all(_holds(one, value) for one in found) for value in _samples(found)) for found in by_fact.values())


def _implies(one: Condition, other: Condition) -> bool:
    """Whether `other` holds wherever `one` does."""
    if one == other:
        return True
    if one.than or other.than or one.fact != other.fact:
        return False
    return all(_holds(other, each) for each in _samples((one, other)) if _holds(one, each))


def _samples(conditions: Iterable[Condition]) -> list[Scalar]:
    """A value from every stretch in which the conditions cannot tell values apart."""
    found: list[Scalar] = [True, False, "\0"]
    for condition in conditions:
        for value in condition.values:
            found.append(value)
            if not isinstance(value, bool | str):
                step = max(abs(value), 1.0) * 1e-9
                found += [value - step, value + step]
    numbers = sorted(each for each in found if not isinstance(each, bool | str))
    return found + [(low + high) / 2 for low, high in pairwise(numbers)]


def _comparable(condition: Condition, value: Scalar) -> bool:
    return condition.op == "known" or kind_of(condition.values[0]) == kind_of(value)


def _holds(condition: Condition, value: Scalar) -> bool:
    if condition.op == "known":
        return value is not False
    if not _comparable(condition, value):
        return False
    if condition.op == "in":
        return value in condition.values
    return _OPS[condition.op](value, condition.values[0])
