"""The rules of leasing, as plain functions over rows that a store has loaded and locked; every store applies these and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ninefold.domain.allowance import Account, Ask, AskItem, Balance, Holder, Lent, Measure, Refusal, Report

# How long an account stays exact after somebody ran short of it.
TIGHT_FOR_S = 5.0
_US = 1_000_000


@dataclass(slots=True, kw_only=True)
class AccountRow:
    """An account's state. `spent` of a bucket shrinks as it refills, `refilled_us` says up to when it has; other measures never shrink.

    Always: spent + outstanding ≤ capacity + overrun, unless the capacity was lowered.
    """

    account: Account
    spent: int = 0
    outstanding: int = 0
    overrun: int = 0
    recall_seq: int = 0
    tight_until: float = 0.0
    refilled_us: int = 0

    @property
    def available(self) -> int:
        """What nobody has spent or leased."""
        return self.account.capacity - self.spent - self.outstanding


@dataclass(slots=True, kw_only=True)
class LeaseRow:
    """One holder's lease of one account, in totals since its epoch began. `live` follows the holder's state."""

    account_id: str
    holder: Holder
    live: bool
    granted: int = 0
    spent: int = 0
    returned: int = 0
    overrun: int = 0
    recall_seen: int = 0

    @property
    def outstanding(self) -> int:
        """Leased and neither spent nor returned."""
        return self.granted + self.overrun - self.returned - self.spent


def refill(row: AccountRow, now: float) -> None:
    """The bucket has refilled up to `now`; whole units only, the fraction of one is kept in `refilled_us`."""
    account, now_us = row.account, int(now * _US)
    if not account.period_s or now_us <= row.refilled_us:
        return
    period_us = account.period_s * _US
    credit = (now_us - row.refilled_us) * account.capacity // period_us
    if credit >= row.spent:
        row.spent, row.refilled_us = 0, now_us
    else:
        row.spent -= credit
        row.refilled_us += -(-credit * period_us // account.capacity)


class Lending:
    """One transaction of one holder over the rows of the accounts it names and of everybody's leases of them."""

    def __init__(self, holder: Holder, accounts: Mapping[str, AccountRow], leases: Iterable[LeaseRow], *, workers: int, now: float) -> None:
        self.holder = holder
        self.accounts = accounts
        self.mine: dict[str, LeaseRow] = {}
        self._others: dict[str, list[LeaseRow]] = {}
        self._workers = max(workers, 1)
        self._now = now
        for lease in leases:
            if lease.holder == holder:
                self.mine[lease.account_id] = lease
            elif lease.live and lease.outstanding > 0:
                self._others.setdefault(lease.account_id, []).append(lease)
        for row in accounts.values():
            refill(row, now)

    def book(self, report: Report) -> None:
        """The account stands where the report says; a report that is older than the last one changes nothing."""
        row, lease = self.accounts[report.account_id], self._lease(report.account_id)
        overrun = max(report.overrun - lease.overrun, 0)
        spent = max(report.spent - lease.spent, 0)
        returned = max(report.returned - lease.returned, 0)
        # More than was ever leased is an overrun as well, whatever the holder calls it.
        overrun += max(spent + returned - lease.outstanding - overrun, 0)
        lease.overrun += overrun
        lease.spent += spent
        lease.returned += returned
        lease.recall_seen = max(lease.recall_seen, report.recall_seen)
        row.overrun += overrun
        row.spent += spent
        row.outstanding += overrun - spent - returned

    def lend(self, ask: Ask) -> Refusal | None:
        """Every item is granted its minimum or more; or none is, and the refusal names the account that is hardest to wait for."""
        items = sorted(ask.items, key=lambda item: item.account.account_id)
        for item in items:
            self._change_capacity(item.account)
        short = [item for item in items if item.minimum > max(self.accounts[item.account.account_id].available, 0)]
        if short:
            if ask.recall:
                for item in short:
                    if self._may_return(item):
                        self._recall(item.account.account_id)
            return min((self._refusal(item) for item in short), key=lambda refusal: (refusal.recalling, refusal.may_return))
        for item in items:
            row, lease = self.accounts[item.account.account_id], self._lease(item.account.account_id)
            amount = item.minimum
            if row.tight_until <= self._now:
                # Halving what is left keeps room for the others, and ends in exact slices near the limit by itself.
                amount = max(amount, min(item.wanted, row.available // (2 * self._workers)))
            lease.granted += amount
            row.outstanding += amount
        return None

    def lent(self, account_id: str) -> Lent:
        """What the holder is told of its lease."""
        row, lease = self.accounts[account_id], self._lease(account_id)
        return Lent(
            account_id=account_id,
            granted=lease.granted,
            spent=lease.spent,
            returned=lease.returned,
            overrun=lease.overrun,
            recall_seen=lease.recall_seen,
            recall_seq=row.recall_seq,
            tight=row.tight_until > self._now,
        )

    def settle_dead(self, spent: Mapping[str, int]) -> None:
        """The leases of the dead holder are closed at what its journal says it spent of each account; the rest is free again.

        Repeating it with later totals books the difference.
        """
        for account_id, row in self.accounts.items():
            lease = self._lease(account_id)
            total = spent.get(account_id, 0)
            before = lease.outstanding
            row.spent += total - lease.spent
            lease.spent = total
            overrun = max(-lease.outstanding, 0)
            lease.overrun += overrun
            row.overrun += overrun
            lease.returned += lease.outstanding
            row.outstanding -= before

    def _lease(self, account_id: str) -> LeaseRow:
        lease = self.mine.get(account_id)
        if lease is None:
            lease = self.mine[account_id] = LeaseRow(account_id=account_id, holder=self.holder, live=True)
        return lease

    def _change_capacity(self, account: Account) -> None:
        row = self.accounts[account.account_id]
        if account.capacity == row.account.capacity:
            return
        lowered = account.capacity < row.account.capacity
        row.account = account
        if lowered:
            self._recall(account.account_id)

    def _recall(self, account_id: str) -> None:
        if account_id in self._others:
            row = self.accounts[account_id]
            row.recall_seq += 1
            row.tight_until = self._now + TIGHT_FOR_S

    def _may_return(self, item: AskItem) -> bool:
        """Whether the request fits as soon as everybody has given back what is not spent."""
        row = self.accounts[item.account.account_id]
        return max(item.minimum, item.whole) <= row.account.capacity - row.spent

    def _refusal(self, item: AskItem) -> Refusal:
        row = self.accounts[item.account.account_id]
        may_return = self._may_return(item)
        recalling = may_return and any(lease.recall_seen < row.recall_seq for lease in self._others.get(item.account.account_id, ()))
        return Refusal(
            account=item.account,
            minimum=item.minimum,
            left=max(row.available, 0),
            recalling=recalling,
            may_return=may_return,
            retry_after_s=None if max(item.minimum, item.whole) > row.account.capacity else _retry_after_s(row, item.minimum, self._now),
        )


def balance(row: AccountRow, leases_in_suspense: int, now: float) -> Balance:
    """The account as of `now`."""
    current = replace(row)
    refill(current, now)
    return Balance(
        account=current.account,
        spent=current.spent,
        outstanding=current.outstanding,
        overrun=current.overrun,
        suspense=leases_in_suspense,
    )


def _retry_after_s(row: AccountRow, minimum: int, now: float) -> float | None:
    """When the same ask may succeed; None where that is not soon."""
    account = row.account
    if account.measure is Measure.CONCURRENT:
        return 1.0
    if account.period_s:
        return max((minimum - row.available) * account.period_s / account.capacity, 0.001)
    left_s = float("inf") if account.ends_at is None else account.ends_at - now
    return max(left_s, 1.0) if left_s <= 3600 else None
