"""Where the answers of the Responses API are kept, so that a later request can continue from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """One answer and what was asked: `answer` is the response object, `items` the array of its input items, both JSON.

    Everything a later request needs is in it: no other row has to exist. Times are seconds since the epoch, UTC.
    """

    tenant: str
    response_id: str
    answer: bytes
    items: bytes
    created_at: float
    expires_at: float


class ResponseStore(Protocol):
    """Answers by tenant and id.

    Laws (tests/contracts/test_response_store.py): what was put is found by its own tenant until it expires or is deleted, and by no other
    tenant ever; an id is written once: putting it again changes nothing; an expired row is as good as none from its moment on, and is
    removed by later puts, a bounded number at a time; `put` has returned means that a crash does not lose it.
    On failure: Unavailable.
    Default: `ninefold.adapters.sql.responses`; `ninefold.adapters.memory.responses` in tests.
    """

    async def put(self, stored: StoredResponse) -> None:
        """The answer is kept. Raises: Unavailable."""
        ...

    async def get(self, tenant: str, response_id: str, at: float) -> StoredResponse:
        """The answer, as it was put. Raises: NotFound, also for another tenant's and for an expired one; Unavailable."""
        ...

    async def delete(self, tenant: str, response_id: str, at: float) -> None:
        """The answer is not there any more. Raises: NotFound where it was not; Unavailable."""
        ...
