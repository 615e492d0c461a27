"""A lease store for one process: the fake of every test, with the rules of the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ninefold.domain.allowance import Ask, Balance, Holder, Reply, Report, WorkerRow, WorkerState
from ninefold.domain.errors import Unavailable
from ninefold.domain.lending import AccountRow, LeaseRow, Lending, balance
from ninefold.ports.lease_store import Fenced, Opened, Recalls


class MemoryLeaseStore:
    """Implements `ninefold.ports.lease_store.LeaseStore`. `down` makes every verb fail as a lost database would."""

    def __init__(self, *, ttl_s: float = 30.0, clock: Callable[[], float] = time.time) -> None:
        self.down = False
        self._ttl_s = ttl_s
        self._clock = clock
        self._accounts: dict[str, AccountRow] = {}
        self._leases: dict[tuple[Holder, str], LeaseRow] = {}
        self._workers: dict[Holder, tuple[WorkerState, float]] = {}

    async def open_worker(self, worker: str, *, after_epoch: int = 0) -> Opened:
        self._check()
        epoch = max([after_epoch, *(h.epoch for h in self._workers if h.worker == worker)]) + 1
        for holder, (state, expires_at) in list(self._workers.items()):
            if holder.worker == worker and state is WorkerState.LIVE:
                self._set_state(holder, WorkerState.FENCED, expires_at)
        holder = Holder(worker=worker, epoch=epoch)
        self._set_state(holder, WorkerState.LIVE, self._clock() + self._ttl_s)
        return Opened(holder=holder, remaining_s=self._ttl_s)

    async def grant(self, holder: Holder, reports: Sequence[Report], asks: Sequence[Ask]) -> Reply:
        self._check()
        self._live(holder)
        now = self._clock()
        for ask in asks:
            for item in ask.items:
                self._accounts.setdefault(item.account.account_id, AccountRow(account=item.account, refilled_us=int(now * 1_000_000)))
        named = sorted({r.account_id for r in reports} | {item.account.account_id for ask in asks for item in ask.items})
        lending = self._lending(holder, named)
        for report in reports:
            lending.book(report)
        refusals = tuple(lending.lend(ask) for ask in asks)
        leases = tuple(lending.lent(account_id) for account_id in named)
        self._leases |= {(holder, account_id): lease for account_id, lease in lending.mine.items()}
        self._set_state(holder, WorkerState.LIVE, now + self._ttl_s)
        return Reply(remaining_s=self._ttl_s, leases=leases, refusals=refusals)

    async def give_back(self, holder: Holder, reports: Sequence[Report]) -> Reply:
        return await self.grant(holder, reports, ())

    async def recalls(self, holder: Holder) -> Recalls:
        self._check()
        self._live(holder)
        self._set_state(holder, WorkerState.LIVE, self._clock() + self._ttl_s)
        wanted = tuple(
            (account_id, self._accounts[account_id].recall_seq)
            for (owner, account_id), lease in self._leases.items()
            if owner == holder and lease.outstanding > 0 and lease.recall_seen < self._accounts[account_id].recall_seq
        )
        return Recalls(remaining_s=self._ttl_s, accounts=wanted)

    async def reap(self, holder: Holder, spent: Mapping[str, int] | None) -> None:
        self._check()
        if holder not in self._workers:
            return
        state, expires_at = self._workers[holder]
        if spent is None:
            if state is not WorkerState.CLOSED:
                self._set_state(holder, WorkerState.SUSPENSE, expires_at)
            return
        named = sorted({a for owner, a in self._leases if owner == holder} | (spent.keys() & self._accounts.keys()))
        lending = self._lending(holder, named)
        lending.settle_dead(spent)
        self._leases |= {(holder, account_id): lease for account_id, lease in lending.mine.items()}
        self._set_state(holder, WorkerState.CLOSED, expires_at)

    async def balances(self, tenant: str) -> tuple[Balance, ...]:
        self._check()
        return tuple(
            balance(row, self._suspense(account_id), self._clock())
            for account_id, row in sorted(self._accounts.items())
            if row.account.tenant == tenant
        )

    async def workers(self) -> tuple[WorkerRow, ...]:
        self._check()
        return tuple(
            WorkerRow(holder=holder, state=state, expires_at=expires_at)
            for holder, (state, expires_at) in sorted(self._workers.items(), key=lambda entry: (entry[0].worker, entry[0].epoch))
            if state is not WorkerState.CLOSED
        )

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the lease store is down")

    def _live(self, holder: Holder) -> None:
        if self._workers.get(holder, (WorkerState.CLOSED, 0.0))[0] is not WorkerState.LIVE:
            raise Fenced(f"epoch {holder.epoch} of worker {holder.worker!r} has ended: restart the worker")

    def _set_state(self, holder: Holder, state: WorkerState, expires_at: float) -> None:
        self._workers[holder] = (state, expires_at)
        for (owner, _), lease in self._leases.items():
            if owner == holder:
                lease.live = state is WorkerState.LIVE

    def _suspense(self, account_id: str) -> int:
        return sum(
            lease.outstanding
            for (owner, name), lease in self._leases.items()
            if name == account_id and self._workers[owner][0] is WorkerState.SUSPENSE
        )

    def _lending(self, holder: Holder, named: Sequence[str]) -> Lending:
        live = sum(state is WorkerState.LIVE for state, _ in self._workers.values())
        leases = [lease for (_, account_id), lease in self._leases.items() if account_id in named]
        return Lending(holder, {name: self._accounts[name] for name in named}, leases, workers=live, now=self._clock())
