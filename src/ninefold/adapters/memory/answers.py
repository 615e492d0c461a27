"""Remembered answers for one process: the fake of every test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.allowance import Holder
from ninefold.ports.answer_store import Claim, KeptAnswer, Standing


@dataclass(slots=True)
class _Row:
    claim: Claim
    until: float
    answer: KeptAnswer | None = None


class MemoryAnswerStore:
    """Implements `ninefold.ports.answer_store.AnswerStore`. `alive` tells whether a worker's life has not ended."""

    def __init__(self, alive: Callable[[Holder], bool] = lambda _: True) -> None:
        self._rows: dict[str, _Row] = {}
        self._alive = alive

    async def claim(self, claim: Claim) -> Standing | None:
        row = self._rows.get(claim.scope)
        if row is not None and row.until > claim.at:
            first = row.claim
            if row.answer is not None or (first.holder != claim.holder and self._alive(first.holder)):
                return Standing(digest=first.digest, trace_id=first.trace_id, answer=row.answer)
        self._rows[claim.scope] = _Row(claim, claim.until)
        return None

    async def keep(self, scope: str, token: str, answer: KeptAnswer, until: float) -> bool:
        row = self._rows.get(scope)
        if row is None or row.claim.token != token:
            return False
        if row.answer is None:
            row.answer, row.until = answer, until
        return True

    async def free(self, scope: str, token: str) -> None:
        row = self._rows.get(scope)
        if row is not None and row.claim.token == token and row.answer is None:
            del self._rows[scope]

    async def sweep(self, at: float, limit: int) -> int:
        void = [scope for scope, row in self._rows.items() if row.until <= at][:limit]
        for scope in void:
            del self._rows[scope]
        return len(void)
