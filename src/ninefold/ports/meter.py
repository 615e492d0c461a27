"""How the gateway asks for money and gives it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Deployment, Tenant
from ninefold.domain.usage import Usage


class HoldRequest(msgspec.Struct, kw_only=True):
    """What a request may cost at worst. `deployments` is the plan; the hold is the dearest of them at the two token bounds.

    `now` is in seconds since the epoch, UTC: it picks the budget windows, and settlement goes to the same windows.
    """

    request_id: str
    trace_id: str
    decision_id: str
    principal: Principal
    tenant: Tenant
    model: str
    operation: str
    attribution: tuple[tuple[str, str], ...]
    deployments: tuple[Deployment, ...]
    input_tokens_bound: int
    output_tokens_bound: int
    now: float


@dataclass(slots=True, kw_only=True)
class Hold:
    """Money and limits set aside for one request until `close`. `nanos` is what is held now; `state` belongs to the meter."""

    request: HoldRequest
    nanos: int
    state: object = field(default=None, repr=False)


class Meter(Protocol):
    """Hard budgets and limits of the tenant, all or nothing.

    The life of a hold: `try_hold` or `hold` once, then for each attempt `begin` … `settle`, then `close` once, whatever happened.
    All methods but `hold` and `begin_again` are plain functions that never wait. Frames are appended to the worker's journal;
    the gateway commits them (before the first upstream byte, before the status, before the final event).
    Laws (tests/contracts/test_meter.py): settled + outstanding never exceeds a limit; a hold equal to what is left is accepted; a
    second `settle` of one attempt changes nothing and returns the first line; `close` returns what was not spent.
    On failure: closed. Leases go on until they end, then Unavailable.
    """

    def try_hold(self, request: HoldRequest) -> Hold | None:
        """The hold, if this worker's leases cover it; None where the store must be asked. Raises: BudgetExceeded, RateLimited."""
        ...

    async def hold(self, request: HoldRequest) -> Hold:
        """The hold, if need be from the store, waiting a bounded time in a fair queue. Raises: BudgetExceeded, RateLimited,
        Unavailable."""
        ...

    def begin(self, hold: Hold, attempt_id: str, deployment: Deployment) -> None:
        """The intent to call `deployment` stands in the journal. The first attempt of a hold is always covered by it."""
        ...

    async def begin_again(self, hold: Hold, attempt_id: str, deployment: Deployment) -> None:
        """As `begin`, for a further attempt: the hold grows if what is left of it does not cover one more. Raises: BudgetExceeded."""
        ...

    def settle(self, hold: Hold, attempt_id: str, usage: Usage, outcome: Outcome) -> CostLine:
        """Actual usage stands in the journal in place of the attempt's worst case."""
        ...

    def close(self, hold: Hold) -> None:
        """Nothing is held any more."""
        ...
