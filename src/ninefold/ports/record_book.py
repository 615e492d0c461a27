"""The ledger's rows as the audit log compares them with its leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Rows = Mapping[str, Mapping[str, Any]]


class RecordBook(Protocol):
    """Reads what stands in the ledger, by the names of leaves.

    A kind is "decision" (by decision id), "answer" or "refusal" (by request id), or "settlement" (by attempt id: the sums of what was
    booked for it, later truths included).
    Laws (tests/contracts/test_audit_books.py): a row is found under its id with the values that were booked; what is not there is absent.
    On failure: Unavailable. Default: `ninefold.adapters.sql.record_book`.
    """

    async def rows(self, kind: str, ids: Sequence[str]) -> Rows:
        """The rows there are, by id. Raises: Unavailable."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many rows there are of each kind. Raises: Unavailable."""
        ...

    async def places(self) -> Mapping[tuple[str, int], tuple[int, int]]:
        """How far each (worker, epoch) is booked: segment and offset. Raises: Unavailable."""
        ...
