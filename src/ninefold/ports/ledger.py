"""The books: what every attempt cost and who decided it, projected from the journals, once each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One cost line. `kind` is "settle", or "adjust" for a later truth about an attempt that stood at its hold: then tokens and
    cost are differences. (attempt_id, kind) is unique. Times are seconds since the epoch, UTC; `admitted_at` picks the windows."""

    attempt_id: str
    kind: str
    request_id: str
    trace_id: str
    decision_id: str
    tenant: str
    key_id: str
    model: str
    deployment: str
    operation: str
    product: str
    workflow: str
    environment: str
    feature: str
    task: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    overrun_nanos: int
    currency: str
    price_version: str
    unpriced: bool
    estimated: bool
    outcome: str
    admitted_at: float
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision; `reasons` are (rule, verdict, detail, code)."""

    decision_id: str
    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    verdict: str
    reasons: tuple[tuple[str, str, str, str], ...]
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """How a request was answered; `route` and `tool_calls` are JSON texts."""

    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    deployment: str
    attempts: int
    status: str
    route: str
    tool_calls: str
    first_token_ms: float
    duration_ms: float
    cost_nanos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """Why a request was not answered."""

    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Rows that one piece of a journal comes to."""

    lines: tuple[LedgerLine, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    answers: tuple[AnswerRow, ...] = ()
    refusals: tuple[RefusalRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far one epoch's journal is projected. `state` is what is still open there (the projection's own bytes); `closed` says that
    the epoch is dead, and its leases are settled. `revision` grows with each move."""

    worker: str
    epoch: int
    segment: int
    offset: int
    state: bytes
    closed: bool
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecord:
    """Everything the books know of one trace, oldest first."""

    lines: tuple[LedgerLine, ...]
    decisions: tuple[DecisionRow, ...]
    answers: tuple[AnswerRow, ...]
    refusals: tuple[RefusalRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Sums over the lines of a tenant admitted in a span of time. `lines` counts adjustments too."""

    lines: int
    cost_nanos: int
    input_tokens: int
    output_tokens: int
    unpriced: int


class Ledger(Protocol):
    """The one source of balances and statements.

    Laws (tests/contracts/test_ledger.py): booking the same rows again changes nothing; rows and cursor move in one transaction; a
    cursor that somebody else has moved refuses; a statement's pages hold every line once.
    On failure: Unavailable. Default: `ninefold.adapters.sql.ledger`.
    """

    async def cursors(self) -> tuple[Cursor, ...]:
        """All cursors, by worker and epoch."""
        ...

    async def book(self, booking: Booking, cursor: Cursor) -> Cursor:
        """The rows stand in the books, and the cursor (whose `revision` is the one that was read, 0 for a new one) has moved; returned
        with its new revision. Raises: Conflict where another projector has moved it."""
        ...

    async def lines(self, attempt_ids: Sequence[str]) -> tuple[LedgerLine, ...]:
        """The lines of these attempts, by attempt and kind."""
        ...

    async def trace(self, trace_id: str) -> TraceRecord:
        """Everything under one trace id."""
        ...

    async def total(self, tenant: str, start: float, end: float) -> Total:
        """The sums of what was admitted in [start, end)."""
        ...

    async def statement(
        self, tenant: str, start: float, end: float, *, after: tuple[float, str, str] | None = None, limit: int = 100
    ) -> tuple[LedgerLine, ...]:
        """Lines admitted in [start, end), ordered by (admitted_at, attempt_id, kind), from behind `after` on."""
        ...
