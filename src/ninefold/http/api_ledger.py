"""`/api/v1/{traces,ledger,budgets}`: what was decided, what it cost, what is left."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from ninefold.domain.allowance import Balance
from ninefold.domain.errors import NotFound
from ninefold.http.api_keys import TenantName
from ninefold.http.api_ledger_facts import PLACE, budget_facts, line_facts, page_after, parse_after, trace_facts
from ninefold.http.api_route_facts import route_facts
from ninefold.http.problem import responses
from ninefold.ports.ledger import LedgerLine, TraceRecord

_FAR_FUTURE = 253_402_300_799.0  # the last second of the year 9999
_NOTHING = "The books have nothing under this trace id; a request of the last second may still be on its way here."
TraceId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="as in x-ninefold-trace-id")]
Moment = Annotated[float, Field(ge=0, le=_FAR_FUTURE, allow_inf_nan=False)]


class Line(BaseModel):
    """One cost line: an attempt, or (`kind` "adjust") a later truth about one, as differences. Times are seconds since the epoch, UTC."""

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
    attribution: dict[str, str]
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nanos: int = Field(description="nano-dollars")
    cost_usd: str = Field(description="plain decimal, nine digits")
    overrun_nanos: int = Field(description="what the upstream billed above the hold")
    currency: str
    price_version: str
    unpriced: bool
    estimated: bool
    outcome: str
    admitted_at: float
    started_at: float
    ended_at: float


class LinePage(BaseModel):
    """Lines in the order of admission; `next` continues behind the last one, null at the end."""

    lines: list[Line]
    next: str | None


class Reason(BaseModel):
    """One rule that spoke."""

    rule: str
    verdict: str
    detail: str
    code: str


class Decision(BaseModel):
    """What policy said, with every reason."""

    decision_id: str
    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    verdict: str
    reasons: list[Reason]
    policy_version: str


class Answer(BaseModel):
    """How a request was answered: its route, and an envelope for each tool call."""

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
    route: dict[str, Any]
    tool_calls: list[Any]
    first_token_ms: float
    duration_ms: float
    cost_nanos: int
    cost_usd: str


class Refusal(BaseModel):
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


class Trace(BaseModel):
    """Everything the books know of one trace, oldest first."""

    trace_id: str
    cost_usd: str
    decisions: list[Decision]
    lines: list[Line]
    answers: list[Answer]
    refusals: list[Refusal]


class Considered(BaseModel):
    """A deployment that was looked at, and why it was taken or left out."""

    deployment: str
    taken: bool
    why: str


class Attempt(BaseModel):
    """One attempt at a deployment, with its cost line's figures."""

    attempt_id: str
    deployment: str
    outcome: str
    input_tokens: int
    output_tokens: int
    cost_usd: str
    started_at: float
    ended_at: float


class WhyRefused(BaseModel):
    """What the caller was told."""

    code: str
    detail: str


class RoutedRequest(BaseModel):
    """How one request was routed. `class`, `strategy` and `reason` are empty where there was no answer; `facts` is what else was out of
    the ordinary on the way: failures, a hedge, promotions, where a shared answer came from."""

    model_config = ConfigDict(populate_by_name=True)

    request_id: str
    tenant: str
    model: str
    surface: str
    task_class: str = Field(alias="class")
    strategy: str
    reason: str
    considered: list[Considered]
    deployment: str
    status: str
    duration_ms: float
    facts: dict[str, Any]
    attempts: list[Attempt]
    cost_usd: str
    refusals: list[WhyRefused]


class Routed(BaseModel):
    """Every request under one trace id, oldest first."""

    trace_id: str
    cost_usd: str
    requests: list[RoutedRequest]


class Budget(BaseModel):
    """One budget in its current window, in dollars: limit = spent + outstanding + left. `suspense` is the part of outstanding that
    belongs to dead workers whose journals cannot be read."""

    tenant: str
    budget_id: str
    window: str
    starts_at: int
    ends_at: int | None
    limit_usd: str
    spent_usd: str
    outstanding_usd: str
    left_usd: str
    overrun_usd: str
    suspense_usd: str


class BudgetList(BaseModel):
    """Budgets by tenant and id."""

    budgets: list[Budget]


class BooksDesk(Protocol):
    """What these routes need to know."""

    async def trace(self, trace_id: str) -> TraceRecord:
        """Everything under one trace id. Raises: Unavailable."""
        ...

    async def statement(
        self, tenant: str, start: float, end: float, after: tuple[float, str, str] | None, limit: int
    ) -> tuple[LedgerLine, ...]:
        """Lines admitted in [start, end), from behind `after` on. Raises: Unavailable."""
        ...

    async def budgets(self, tenant: str | None) -> tuple[Balance, ...]:
        """Every budget in its current window. Raises: NotFound for an unknown tenant; Unavailable."""
        ...


def ledger_router(desk: BooksDesk) -> APIRouter:
    """The routes over `desk`."""
    router = APIRouter(tags=["ledger"])

    @router.get("/traces/{trace_id}", responses=responses(404), operation_id="getTrace")
    async def trace(trace_id: TraceId) -> Trace:
        """Show the decision, the cost lines, the route and the tool calls of one request; it is here a moment after its answer."""
        record = await desk.trace(trace_id)
        if not (record.lines or record.decisions or record.answers or record.refusals):
            raise NotFound(_NOTHING)
        return Trace.model_validate(trace_facts(trace_id, record))

    @router.get("/traces/{trace_id}/route", responses=responses(404), operation_id="getTraceRoute")
    async def route(trace_id: TraceId) -> Routed:
        """Explain which deployments were looked at, which were tried, and why; the same as `ninefold route explain --json`."""
        document = route_facts(trace_id, await desk.trace(trace_id))
        if not document["requests"]:
            raise NotFound(_NOTHING)
        return Routed.model_validate(document)

    @router.get("/ledger/lines", responses=responses(), operation_id="listLedgerLines")
    async def lines(
        tenant: Annotated[TenantName, Query()],
        start: Annotated[Moment, Query(description="admitted at or after, seconds since the epoch")] = 0.0,
        end: Annotated[Moment, Query(description="admitted before, seconds since the epoch")] = _FAR_FUTURE,
        after: Annotated[str | None, Query(pattern=PLACE, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> LinePage:
        """List the cost lines of a tenant, oldest first."""
        found = await desk.statement(tenant, start, end, parse_after(after) if after is not None else None, limit)
        return LinePage(
            lines=[Line.model_validate(line_facts(line)) for line in found], next=page_after(found[-1]) if len(found) == limit else None
        )

    @router.get("/budgets", responses=responses(404), operation_id="listBudgets")
    async def budgets(tenant: Annotated[TenantName | None, Query()] = None) -> BudgetList:
        """List every budget in its current window: its limit, what is spent, what is held, what is left."""
        return BudgetList(budgets=[Budget.model_validate(budget_facts(balance)) for balance in await desk.budgets(tenant)])

    return router
