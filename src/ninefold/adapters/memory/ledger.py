"""A ledger for one process: the fake of every test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

from ninefold.domain.errors import Conflict
from ninefold.ports.ledger import AnswerRow, Booking, Cursor, DecisionRow, LedgerLine, RefusalRow, Total, TraceRecord

_PLACE = attrgetter("admitted_at", "attempt_id", "kind")


class MemoryLedger:
    """Implements `ninefold.ports.ledger.Ledger`."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], LedgerLine] = {}
        self._decisions: dict[str, DecisionRow] = {}
        self._answers: dict[str, AnswerRow] = {}
        self._refusals: dict[str, RefusalRow] = {}
        self._cursors: dict[tuple[str, int], Cursor] = {}

    async def cursors(self) -> tuple[Cursor, ...]:
        return tuple(cursor for _, cursor in sorted(self._cursors.items()))

    async def book(self, booking: Booking, cursor: Cursor) -> Cursor:
        key = (cursor.worker, cursor.epoch)
        known = self._cursors.get(key)
        if (known.revision if known else 0) != cursor.revision:
            raise Conflict(f"the journal of worker {cursor.worker!r} is projected by somebody else")
        self._cursors[key] = replace(cursor, revision=cursor.revision + 1)
        for line in booking.lines:
            self._lines.setdefault((line.attempt_id, line.kind), line)
        for decision in booking.decisions:
            self._decisions.setdefault(decision.decision_id, decision)
        for answer in booking.answers:
            self._answers.setdefault(answer.request_id, answer)
        for refusal in booking.refusals:
            self._refusals.setdefault(refusal.request_id, refusal)
        return self._cursors[key]

    async def lines(self, attempt_ids: Sequence[str]) -> tuple[LedgerLine, ...]:
        wanted = set(attempt_ids)
        return tuple(line for (attempt_id, _), line in sorted(self._lines.items()) if attempt_id in wanted)

    async def trace(self, trace_id: str) -> TraceRecord:
        at = attrgetter("at")
        return TraceRecord(
            lines=tuple(sorted((row for row in self._lines.values() if row.trace_id == trace_id), key=attrgetter("started_at"))),
            decisions=tuple(sorted((row for row in self._decisions.values() if row.trace_id == trace_id), key=at)),
            answers=tuple(sorted((row for row in self._answers.values() if row.trace_id == trace_id), key=at)),
            refusals=tuple(sorted((row for row in self._refusals.values() if row.trace_id == trace_id), key=at)),
        )

    async def total(self, tenant: str, start: float, end: float) -> Total:
        lines = self._within(tenant, start, end)
        return Total(
            lines=len(lines),
            cost_nanos=sum(line.cost_nanos for line in lines),
            input_tokens=sum(line.input_tokens for line in lines),
            output_tokens=sum(line.output_tokens for line in lines),
            unpriced=sum(line.unpriced for line in lines),
        )

    async def statement(
        self, tenant: str, start: float, end: float, *, after: tuple[float, str, str] | None = None, limit: int = 100
    ) -> tuple[LedgerLine, ...]:
        lines = sorted(self._within(tenant, start, end), key=_PLACE)
        return tuple([line for line in lines if after is None or _PLACE(line) > after][:limit])

    def _within(self, tenant: str, start: float, end: float) -> list[LedgerLine]:
        return [line for line in self._lines.values() if line.tenant == tenant and start <= line.admitted_at < end]
