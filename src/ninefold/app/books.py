"""The books as control and the command line read them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ninefold.domain.allowance import Balance, Measure
from ninefold.domain.errors import NotFound
from ninefold.domain.snapshot import Tenant
from ninefold.finops.accounts import accounts_of
from ninefold.ports.lease_store import LeaseStore
from ninefold.ports.ledger import Ledger, LedgerLine, TraceRecord
from ninefold.ports.snapshot_store import SnapshotStore


class Books:
    """Reads the ledger and the budgets; writes nothing."""

    def __init__(self, ledger: Ledger, leases: LeaseStore, snapshots: SnapshotStore, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._leases = leases
        self._snapshots = snapshots
        self._clock = clock

    async def trace(self, trace_id: str) -> TraceRecord:
        """Everything under one trace id."""
        return await self._ledger.trace(trace_id)

    async def statement(
        self, tenant: str, start: float, end: float, after: tuple[float, str, str] | None, limit: int
    ) -> tuple[LedgerLine, ...]:
        """Lines admitted in [start, end), from behind `after` on."""
        return await self._ledger.statement(tenant, start, end, after=after, limit=limit)

    async def budgets(self, tenant: str | None) -> tuple[Balance, ...]:
        """Every budget of `tenant` (None: of all) in its current window, those that nobody has used yet too. Raises: NotFound."""
        snapshot = await self._snapshots.load()
        tenants = snapshot.tenants if snapshot is not None else ()
        if tenant is not None:
            tenants = tuple(each for each in tenants if each.name == tenant)
            if not tenants:
                raise NotFound(f"there is no tenant {tenant!r} in the configuration", param="tenant")
        now = self._clock()
        return tuple([balance for each in tenants for balance in await self._budgets_of(each, now)])

    async def _budgets_of(self, tenant: Tenant, now: float) -> list[Balance]:
        current = [account for account in accounts_of(tenant, now) if account.measure is Measure.NANOS]
        if not current:
            return []
        used = {balance.account.account_id: balance for balance in await self._leases.balances(tenant.name)}
        found: list[Balance] = []
        for account in current:
            balance = used.get(account.account_id)
            spent, outstanding, overrun, suspense = (
                (balance.spent, balance.outstanding, balance.overrun, balance.suspense) if balance is not None else (0, 0, 0, 0)
            )
            # The limit is today's; the store learns of a changed one with the next lease.
            found.append(Balance(account=account, spent=spent, outstanding=outstanding, overrun=overrun, suspense=suspense))
        return found
