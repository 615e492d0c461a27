"""What cannot wait for the next snapshot: revocations, kill switches, breakers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class DeltaKind(StrEnum):
    """The kinds this version writes; a reader passes over those it does not know."""

    KEY_REVOKED = "key.revoked"
    TENANT_KILLED = "tenant.killed"
    TENANT_RESTORED = "tenant.restored"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_CLOSED = "breaker.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One change. `subject` is the id it is about, `payload` JSON text, `at` seconds since the epoch, UTC."""

    seq: int
    at: float
    kind: str
    subject: str
    payload: str


class DeltaLog(Protocol):
    """A short ordered log that every gateway reads five times a second.

    A gateway starts at `head()`, taken before it loads its snapshot, and asks for what came `since` the last number it saw.
    Laws (tests/contracts/test_delta_log.py): numbers count from 1 without gaps, in the order in which they become visible: who has
    seen n will never find anything new at or below n. Rows older than an hour may be gone; a first row above seq + 1 tells that some
    are, and its reader loads the snapshot anew.
    On failure: Unavailable; gateways go on with what they know.
    Default: `ninefold.adapters.sql.deltas`.
    """

    async def append(self, kind: str, subject: str, payload: str) -> int:
        """The number of the new row, which every reader can see. Raises: Unavailable."""
        ...

    async def since(self, seq: int, limit: int) -> tuple[Delta, ...]:
        """The first `limit` rows after `seq`, in order. Raises: Unavailable."""
        ...

    async def head(self) -> int:
        """The highest number given out, 0 before the first. Raises: Unavailable."""
        ...
