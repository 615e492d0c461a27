"""Accounts and leases in the database that all workers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.money_schema import accounts, leases, workers
from ninefold.domain.allowance import Account, Ask, Balance, Holder, Measure, Reply, Report, WorkerRow, WorkerState
from ninefold.domain.errors import Conflict
from ninefold.domain.lending import AccountRow, LeaseRow, Lending, balance
from ninefold.ports.lease_store import Fenced, Opened, Recalls

_LEASE_KEY = [leases.c.account_id, leases.c.worker, leases.c.epoch]
_OUTSTANDING = leases.c.granted + leases.c.overrun - leases.c.returned - leases.c.spent
# Bound parameters of one statement; SQLite's own limit is 32,766.
_NAMES = 1000


class SqlLeaseStore:
    """Implements `ninefold.ports.lease_store.LeaseStore`: rows are locked in the order of their ids, judged by `domain.lending`, and
    written back only if nobody has changed them since."""

    def __init__(self, database: Database, *, ttl_s: float = 30.0, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._clock = clock

    async def open_worker(self, worker: str, *, after_epoch: int = 0) -> Opened:
        def work(connection: Connection) -> Opened:
            newest = connection.execute(select(func.max(workers.c.epoch)).where(workers.c.worker == worker)).scalar()
            holder = Holder(worker=worker, epoch=max(newest or 0, after_epoch) + 1)
            older = and_(workers.c.worker == worker, workers.c.state == WorkerState.LIVE.value)
            connection.execute(update(workers).where(older).values(state=WorkerState.FENCED.value))
            expires_at = self._clock() + self._ttl_s
            connection.execute(
                workers.insert().values(worker=worker, epoch=holder.epoch, state=WorkerState.LIVE.value, expires_at=expires_at)
            )
            return Opened(holder=holder, remaining_s=self._ttl_s)

        return await self._database.run(work)

    async def grant(self, holder: Holder, reports: Sequence[Report], asks: Sequence[Ask]) -> Reply:
        def work(connection: Connection) -> Reply:
            now = self._clock()
            remaining_s = self._prolong(connection, holder, now)
            _add_accounts(connection, (item.account for ask in asks for item in ask.items), now)
            named = {report.account_id for report in reports} | {item.account.account_id for ask in asks for item in ask.items}
            lending, before = _load(connection, holder, named, now)
            for report in reports:
                lending.book(report)
            refusals = tuple(lending.lend(ask) for ask in asks)
            lent = tuple(lending.lent(account_id) for account_id in sorted(named))
            _store(connection, lending, before)
            return Reply(remaining_s=remaining_s, leases=lent, refusals=refusals)

        return await self._database.run(work)

    async def give_back(self, holder: Holder, reports: Sequence[Report]) -> Reply:
        return await self.grant(holder, reports, ())

    async def recalls(self, holder: Holder) -> Recalls:
        def look(connection: Connection) -> Recalls | None:
            remaining_s = _live_until(connection, holder) - self._clock()
            if remaining_s < self._ttl_s * 2 / 3:
                return None
            mine = and_(leases.c.worker == holder.worker, leases.c.epoch == holder.epoch, _OUTSTANDING > 0)
            query = select(accounts.c.account_id, accounts.c.recall_seq).join(leases, leases.c.account_id == accounts.c.account_id)
            rows = connection.execute(query.where(mine, leases.c.recall_seen < accounts.c.recall_seq)).all()
            return Recalls(remaining_s=remaining_s, accounts=tuple((row.account_id, row.recall_seq) for row in rows))

        found = await self._database.run(look, reading=True)
        if found is None:
            await self._database.run(lambda connection: self._prolong(connection, holder, self._clock()))
            found = await self._database.run(look, reading=True)
        return found or Recalls(remaining_s=0.0, accounts=())

    async def reap(self, holder: Holder, spent: Mapping[str, int] | None) -> None:
        def work(connection: Connection) -> None:
            row = connection.execute(select(workers.c.state).where(_is(holder)).with_for_update()).one_or_none()
            if row is None:
                return
            if spent is None:
                if row.state != WorkerState.CLOSED.value:
                    connection.execute(update(workers).where(_is(holder)).values(state=WorkerState.SUSPENSE.value))
                return
            mine = select(leases.c.account_id).where(leases.c.worker == holder.worker, leases.c.epoch == holder.epoch)
            named = {row.account_id for row in connection.execute(mine)} | spent.keys()
            lending, before = _load(connection, holder, named, self._clock())
            lending.settle_dead(spent)
            _store(connection, lending, before)
            connection.execute(update(workers).where(_is(holder)).values(state=WorkerState.CLOSED.value))

        await self._database.run(work)

    async def balances(self, tenant: str) -> tuple[Balance, ...]:
        def look(connection: Connection) -> tuple[Balance, ...]:
            rows = connection.execute(select(accounts).where(accounts.c.tenant == tenant).order_by(accounts.c.account_id)).all()
            query = (
                select(leases.c.account_id, func.sum(_OUTSTANDING).label("outstanding"))
                .join(workers, and_(workers.c.worker == leases.c.worker, workers.c.epoch == leases.c.epoch))
                .join(accounts, accounts.c.account_id == leases.c.account_id)
                .where(workers.c.state == WorkerState.SUSPENSE.value, accounts.c.tenant == tenant)
                .group_by(leases.c.account_id)
            )
            suspense = {row.account_id: int(row.outstanding) for row in connection.execute(query)}
            now = self._clock()
            return tuple(balance(_account_row(row), suspense.get(row.account_id, 0), now) for row in rows)

        return await self._database.run(look, reading=True)

    async def workers(self) -> tuple[WorkerRow, ...]:
        def look(connection: Connection) -> tuple[WorkerRow, ...]:
            query = select(workers).where(workers.c.state != WorkerState.CLOSED.value).order_by(workers.c.worker, workers.c.epoch)
            return tuple(
                WorkerRow(holder=Holder(worker=row.worker, epoch=row.epoch), state=WorkerState(row.state), expires_at=row.expires_at)
                for row in connection.execute(query)
            )

        return await self._database.run(look, reading=True)

    def _prolong(self, connection: Connection, holder: Holder, now: float) -> float:
        """How long the leases last from `now` on; the holder's row is locked. Raises: Fenced."""
        expires_at = _live_until(connection, holder, lock=True)
        if expires_at - now < self._ttl_s * 2 / 3:
            expires_at = now + self._ttl_s
            connection.execute(update(workers).where(_is(holder)).values(expires_at=expires_at))
        return min(expires_at - now, self._ttl_s)


def _live_until(connection: Connection, holder: Holder, *, lock: bool = False) -> float:
    query = select(workers.c.state, workers.c.expires_at).where(_is(holder))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None or row.state != WorkerState.LIVE.value:
        raise Fenced(f"epoch {holder.epoch} of worker {holder.worker!r} has ended: restart the worker")
    return row.expires_at


def _is(holder: Holder) -> Any:
    return and_(workers.c.worker == holder.worker, workers.c.epoch == holder.epoch)


def _insert(connection: Connection, table: Any) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _add_accounts(connection: Connection, asked: Iterable[Account], now: float) -> None:
    """Every account has a row. Inserted in the order of ids, so that two workers cannot wait for each other."""
    found = {account.account_id: account for account in asked}
    known: set[str] = set()
    for names in _chunks(found):
        known |= {row.account_id for row in connection.execute(select(accounts.c.account_id).where(accounts.c.account_id.in_(names)))}
    rows = [
        _account_values(AccountRow(account=found[name], refilled_us=int(now * 1_000_000))) | {"revision": 0}
        for name in sorted(found.keys() - known)
    ]
    if rows:
        connection.execute(_insert(connection, accounts).on_conflict_do_nothing(), rows)


def _load(connection: Connection, holder: Holder, named: Collection[str], now: float) -> tuple[Lending, dict[str, tuple[AccountRow, int]]]:
    """The rows of the accounts, locked in the order of their ids, and what they were before."""
    rows: dict[str, AccountRow] = {}
    before: dict[str, tuple[AccountRow, int]] = {}
    found: list[LeaseRow] = []
    for names in _chunks(named):
        query = select(accounts).where(accounts.c.account_id.in_(names)).order_by(accounts.c.account_id).with_for_update()
        for row in connection.execute(query):
            rows[row.account_id] = _account_row(row)
            before[row.account_id] = (_account_row(row), row.revision)
        same_worker = and_(workers.c.worker == leases.c.worker, workers.c.epoch == leases.c.epoch)
        mine = and_(leases.c.worker == holder.worker, leases.c.epoch == holder.epoch)
        others = and_(workers.c.state == WorkerState.LIVE.value, _OUTSTANDING > 0)
        wanted = select(leases, workers.c.state).join(workers, same_worker).where(leases.c.account_id.in_(names), or_(mine, others))
        found += [_lease_row(row) for row in connection.execute(wanted)]
    live = connection.execute(select(func.count()).select_from(workers).where(workers.c.state == WorkerState.LIVE.value)).scalar_one()
    return Lending(holder, rows, found, workers=live, now=now), before


def _store(connection: Connection, lending: Lending, before: Mapping[str, tuple[AccountRow, int]]) -> None:
    for account_id, row in sorted(lending.accounts.items()):
        was, revision = before[account_id]
        if row == was:
            continue
        same = and_(accounts.c.account_id == account_id, accounts.c.revision == revision)
        changed = connection.execute(update(accounts).where(same).values(**_account_values(row), revision=revision + 1))
        if changed.rowcount != 1:
            raise Conflict(f"account {account_id} was changed by somebody else in the same moment")
    rows = [
        {
            "account_id": lease.account_id,
            "worker": lease.holder.worker,
            "epoch": lease.holder.epoch,
            "granted": lease.granted,
            "spent": lease.spent,
            "returned": lease.returned,
            "overrun": lease.overrun,
            "recall_seen": lease.recall_seen,
        }
        for _, lease in sorted(lending.mine.items())
    ]
    if rows:
        statement = _insert(connection, leases)
        totals = {name: statement.excluded[name] for name in ("granted", "spent", "returned", "overrun", "recall_seen")}
        connection.execute(statement.on_conflict_do_update(index_elements=_LEASE_KEY, set_=totals), rows)


def _account_row(row: Row[Any]) -> AccountRow:
    account = Account(
        account_id=row.account_id,
        tenant=row.tenant,
        source_id=row.source_id,
        measure=Measure(row.measure),
        capacity=row.capacity,
        period_s=row.period_s,
        window=row.window,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
    return AccountRow(
        account=account,
        spent=row.spent,
        outstanding=row.outstanding,
        overrun=row.overrun,
        recall_seq=row.recall_seq,
        tight_until=row.tight_until,
        refilled_us=row.refilled_us,
    )


def _account_values(row: AccountRow) -> dict[str, Any]:
    account = row.account
    return {
        "account_id": account.account_id,
        "tenant": account.tenant,
        "source_id": account.source_id,
        "measure": account.measure.value,
        "capacity": account.capacity,
        "period_s": account.period_s,
        "window": account.window,
        "starts_at": account.starts_at,
        "ends_at": account.ends_at,
        "spent": row.spent,
        "outstanding": row.outstanding,
        "overrun": row.overrun,
        "recall_seq": row.recall_seq,
        "tight_until": row.tight_until,
        "refilled_us": row.refilled_us,
    }


def _lease_row(row: Row[Any]) -> LeaseRow:
    return LeaseRow(
        account_id=row.account_id,
        holder=Holder(worker=row.worker, epoch=row.epoch),
        live=row.state == WorkerState.LIVE.value,
        granted=row.granted,
        spent=row.spent,
        returned=row.returned,
        overrun=row.overrun,
        recall_seen=row.recall_seen,
    )


def _chunks(names: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(names)
    return (ordered[start : start + _NAMES] for start in range(0, len(ordered), _NAMES))
