"""What is different between two versions of a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ninefold.domain.policy import Bound, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Clauses that only one of the two has, as sentences, in their order."""

    gone: tuple[str, ...]
    new: tuple[str, ...]


def difference(before: Policy, after: Policy) -> Difference:
    """The clauses of `before` that `after` has not, and the other way round. The order of branches counts, no other."""
    old, new = list(clauses(before)), list(clauses(after))
    lost, found = Counter(old), Counter(new)
    return Difference(gone=tuple((lost - found).elements()), new=tuple((found - lost).elements()))


def clauses(policy: Policy) -> Iterator[str]:
    """Everything in `policy` that decides, a line each."""
    yield f"applies to {', '.join(policy.subjects)}"
    yield from (f"match: {each}" for each in policy.scope)
    for number, branch in enumerate(policy.branches, 1):
        where = " and ".join(str(each) for each in branch.match) or "always"
        yield f"branch {number}: {where}: route to {branch.route_to}"
    yield from (f"require: {each}" for each in policy.require)
    yield from (f"deny if: {each}" for each in policy.deny_if)
    yield from (f"require approval for: {each}" for each in policy.require_approval_for)
    yield from (f"default: {_bound(each)}" for each in policy.defaults)
    yield from (f"limit: {_bound(each)}" for each in policy.limits)
    yield from (f"verifier: {each}" for each in policy.verifiers)
    for event in ("on_verifier_fail", "on_pass", "on_fail"):
        if action := getattr(policy, event):
            yield f"{event}: {action}"
    if policy.on_budget_breach:
        yield f"on_budget_breach: {', then '.join(policy.on_budget_breach)}"
    yield from (f"may be missing: {each}" for each in policy.ignore_missing)


def _bound(each: Bound) -> str:
    value = str(each.value).lower() if isinstance(each.value, bool) else each.value
    return f"{each.name}: {value}"
