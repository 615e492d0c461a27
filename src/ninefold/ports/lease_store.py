"""Where accounts live, and workers lease slices of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.allowance import Ask, Balance, Holder, Reply, Report, WorkerRow
from ninefold.domain.errors import Unavailable


class Fenced(Unavailable):
    """This epoch of this worker has ended: its leases are settled from its journal, and it must not spend anything any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new epoch, and how long its leases last without another contact, counted from before the call."""

    holder: Holder
    remaining_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalls:
    """The accounts of which unspent slices are wanted back, with the number of the recall to answer."""

    remaining_s: float
    accounts: tuple[tuple[str, int], ...]


class LeaseStore(Protocol):
    """Every account of every tenant, shared by all workers of all machines.

    Everything a holder says of itself is a total since its epoch began, so every verb may be repeated after an unknown outcome.
    Laws (tests/contracts/test_lease_store.py): spent + outstanding ≤ capacity + booked overruns; an ask is granted whole or not at
    all; an ask for exactly what is left is granted; a fenced epoch gets nothing and changes nothing; leases of the dead are settled
    at what their journal says, and stay charged while nobody can read it.
    On failure: Unavailable. Default: `ninefold.adapters.sql.leases`.
    """

    async def open_worker(self, worker: str, *, after_epoch: int = 0) -> Opened:
        """A new epoch of `worker`, above `after_epoch` and every earlier one, which are fenced. Call it with the worker's lock held."""
        ...

    async def grant(self, holder: Holder, reports: Sequence[Report], asks: Sequence[Ask]) -> Reply:
        """The reports are booked, then the asks decided in order, in one transaction. Raises: Fenced, Unavailable."""
        ...

    async def give_back(self, holder: Holder, reports: Sequence[Report]) -> Reply:
        """The reports are booked. Raises: Fenced, Unavailable."""
        ...

    async def recalls(self, holder: Holder) -> Recalls:
        """Which slices are wanted back; the holder's leases are prolonged. Raises: Fenced, Unavailable."""
        ...

    async def reap(self, holder: Holder, spent: Mapping[str, int] | None) -> None:
        """The proved-dead holder is settled at `spent` by account; None keeps all it had leased charged, in suspense.

        Repeating it with later totals books the difference. Unknown holders and accounts are ignored.
        """
        ...

    async def balances(self, tenant: str) -> tuple[Balance, ...]:
        """The tenant's accounts, by id."""
        ...

    async def workers(self) -> tuple[WorkerRow, ...]:
        """Every epoch that is not closed, by worker and epoch."""
        ...
