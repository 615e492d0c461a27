"""What policy said of one request, with every reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The outcome of a decision."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that spoke: its name, what it concluded and a sentence that a caller may read."""

    rule: str
    verdict: Verdict
    detail: str
    code: str = ""


# Not frozen: building a frozen one costs twice as much, and one is built for every request; nobody writes to it.
@dataclass(slots=True, kw_only=True)
class Decision:
    """A verdict with all its reasons under one version of the policies; a denial lists every rule that denied, not the first."""

    decision_id: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy_version: str

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.verdict is Verdict.ALLOW
