"""What administrators did: keys made and revoked, configurations published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One administrative act. `seq` counts from 1 without gaps, `detail` is a JSON object, `at` seconds since the epoch, UTC."""

    seq: int
    at: float
    kind: str
    subject: str
    detail: str


class ActLog(Protocol):
    """The acts in the order of their commits, each written in the transaction that did it.

    Laws (tests/contracts/test_audit_acts.py): an act is there exactly if what it did is; who has read up to n never finds anything
    new at or below n.
    On failure: Unavailable. Default: `ninefold.adapters.sql.acts`.
    """

    async def since(self, seq: int, limit: int) -> tuple[Act, ...]:
        """The first `limit` acts after `seq`, in order. Raises: Unavailable."""
        ...
