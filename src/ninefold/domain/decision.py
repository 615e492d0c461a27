"""What policy said of one request, with every reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ninefold.domain.policy import Scalar


class Verdict(StrEnum):
    """The outcome of a decision."""

    ALLOW = "allow"
    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that spoke: its name, what it concluded and a sentence that a caller may read."""

    rule: str
    verdict: Verdict
    detail: str
    code: str = ""


ROUTE_TO, APPROVAL, LIMIT, DEFAULT = "route_to", "require_approval", "limit", "default"
VERIFY, FALLBACK, ACTION, ON_BUDGET_BREACH = "verify", "fallback", "action", "on_budget_breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What whoever enforces the decision has to do besides. `kind` is route_to, require_approval, limit, default, verify, fallback,
    action or on_budget_breach; `name` says which (a task class, a bound, a verifier, an action), and `value` is a bound's."""

    kind: str
    name: str
    policy: str
    value: Scalar = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A policy that spoke, and its version."""

    policy: str
    version: str


# Not frozen for the reason of the decision that it belongs to.
@dataclass(slots=True, kw_only=True)
class Ruling:
    """What policies add to a decision: which of them spoke, the facts they looked at, what has to be done, and what would be allowed
    instead of what was asked for."""

    policies: tuple[Applied, ...] = ()
    facts: tuple[tuple[str, Scalar], ...] = ()
    obligations: tuple[Obligation, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def route_to(self) -> str:
        """The task class that the request has to be answered in; of several policies' the first one's; "" where none says."""
        return next((each.name for each in self.obligations if each.kind == ROUTE_TO), "")


# Not frozen: building a frozen one costs twice as much, and one is built for every request; nobody writes to it.
@dataclass(slots=True, kw_only=True)
class Decision:
    """A verdict with all its reasons under one version of the policies; a denial lists every rule that denied, not the first.

    `ruling` is None where no policy was asked.
    """

    decision_id: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy_version: str
    ruling: Ruling | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.verdict is Verdict.ALLOW
