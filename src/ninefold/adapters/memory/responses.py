"""Answers of the Responses API in memory: the fake of every test."""

from __future__ import annotations

from ninefold.domain.errors import NotFound, Unavailable
from ninefold.ports.response_store import StoredResponse

_SWEPT = 20


class MemoryResponseStore:
    """A `ResponseStore`. `down` makes every verb fail as a lost database would."""

    def __init__(self) -> None:
        self.down = False
        self._rows: dict[tuple[str, str], StoredResponse] = {}

    async def put(self, stored: StoredResponse) -> None:
        self._check()
        expired = [name for name, row in self._rows.items() if row.expires_at <= stored.created_at]
        for name in expired[:_SWEPT]:
            del self._rows[name]
        self._rows.setdefault((stored.tenant, stored.response_id), stored)

    async def get(self, tenant: str, response_id: str, at: float) -> StoredResponse:
        self._check()
        found = self._rows.get((tenant, response_id))
        if found is None or found.expires_at <= at:
            raise NotFound(f"There is no response {response_id[:100]!r}.")
        return found

    async def delete(self, tenant: str, response_id: str, at: float) -> None:
        await self.get(tenant, response_id, at)
        del self._rows[tenant, response_id]

    def __len__(self) -> int:
        """How many rows there are, expired ones included."""
        return len(self._rows)

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the response store is down")
