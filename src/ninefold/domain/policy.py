"""Policies as typed rules: data that a snapshot carries; what runs is made from them where it is used."""

from __future__ import annotations

from dataclasses import dataclass

Scalar = bool | int | float | str

# What a policy may speak of. A policy is silent about any other subject.
REQUEST, AGENT_STEP = "request", "agent_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`fact` `op` value. `op` is ==, !=, >=, <=, >, <, in (one of `values`) or known (there is such a fact, and it is not false).

    The value is the only one of `values`, or what stands in the fact `than`.
    """

    fact: str
    op: str
    values: tuple[Scalar, ...] = ()
    than: str = ""

    def __str__(self) -> str:
        if self.op == "known":
            return f"{self.fact} is there"
        if self.than:
            return f"{self.fact} {self.op} {self.than}"
        shown = [("true" if each else "false") if isinstance(each, bool) else str(each) for each in self.values]
        return f"{self.fact} in {', '.join(shown)}" if self.op == "in" else f"{self.fact} {self.op} {shown[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Where all of `match` holds, and none of the branches before it did, the request goes to `route_to`."""

    match: tuple[Condition, ...]
    route_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A named bound that whoever acts has to keep; `condition` is how it is checked, None where it only permits."""

    name: str
    value: Scalar
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy. `version` is a digest of everything in it that decides.

    It speaks of `subjects`, and only where all of `scope` holds. `defaults` bind where nothing else is said: a fact that is missing keeps
    to them; one that is missing anywhere else denies, unless it stands in `ignore_missing`. `on_budget_breach` are tried in order.
    """

    name: str
    version: str
    owner: str = ""
    subjects: tuple[str, ...] = (REQUEST,)
    scope: tuple[Condition, ...] = ()
    branches: tuple[Branch, ...] = ()
    require: tuple[Condition, ...] = ()
    deny_if: tuple[Condition, ...] = ()
    require_approval_for: tuple[Condition, ...] = ()
    defaults: tuple[Bound, ...] = ()
    limits: tuple[Bound, ...] = ()
    verifiers: tuple[str, ...] = ()
    on_verifier_fail: str = ""
    on_pass: str = ""
    on_fail: str = ""
    on_budget_breach: tuple[str, ...] = ()
    ignore_missing: tuple[str, ...] = ()
