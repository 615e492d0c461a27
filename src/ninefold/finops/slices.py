"""This worker's slices of accounts, in memory; no clock, no I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ninefold.domain.allowance import Account, Ask, AskItem, Lent, Measure, Refusal, Report
from ninefold.domain.snapshot import Tenant
from ninefold.finops.accounts import accounts_of

if TYPE_CHECKING:
    import asyncio

# Amounts of all measures travel together as six numbers in this order.
Amounts = tuple[int, int, int, int, int, int]
MEASURES = (Measure.NANOS, Measure.REQUESTS, Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.CONCURRENT)
NANOS, REQUESTS, TOKENS, INPUT, OUTPUT, CONCURRENT = range(6)
NOTHING: Amounts = (0, 0, 0, 0, 0, 0)

_encode = msgspec.msgpack.Encoder().encode
# A slice is at least this many of the largest hold seen: fewer would ask the store too often.
_FLOOR_HOLDS = 16


class Slice:
    """A lease of one account. Always: granted + overrun = returned + spent + held by open holds + free, and free ≥ 0.

    All counts but `free` are totals since the epoch began. When `free` falls below `low` it is time to ask for more, up to `target`,
    which doubles when the slice ran dry and halves while most of it lies idle.
    """

    __slots__ = (
        "account", "code", "free", "granted", "known", "low", "overrun", "recall_due", "recall_seen", "reported", "returned", "spent",
        "spent_at_review", "target", "tight",
    )  # fmt: skip

    def __init__(self, account: Account) -> None:
        self.account = account
        self.code = MEASURES.index(account.measure)
        self.free = self.granted = self.spent = self.returned = self.overrun = 0
        self.recall_seen = self.recall_due = 0
        self.low = self.target = self.spent_at_review = 0
        self.tight = False
        # False until the store has told what an earlier slice of this account in this epoch came to.
        self.known = False
        self.reported: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def held(self) -> int:
        """What open holds have taken and not given back."""
        return self.granted + self.overrun - self.returned - self.spent - self.free

    def charge(self, actual: int, beyond: int) -> int:
        """`actual` is spent; `beyond` of it was not held, and comes out of what is free. Returns what nothing covered: the overrun."""
        self.spent += actual
        self.free -= beyond
        if self.free >= 0:
            return 0
        uncovered = -self.free
        self.overrun += uncovered
        self.free = 0
        return uncovered

    def give_back(self, amount: int) -> None:
        """`amount` of what is free belongs to the store again."""
        self.free -= amount
        self.returned += amount

    def answer_recall(self) -> None:
        """Nothing is free here any more, and the next report says so."""
        self.give_back(self.free)
        self.recall_seen = max(self.recall_seen, self.recall_due)

    def ran_dry(self, need: int) -> None:
        """The next slice will be larger."""
        self.target = min(max(self.target * 2, _FLOOR_HOLDS * need), self.account.capacity)

    def review(self) -> None:
        """Called every other second or so: what was not needed since the last time is given back by halves."""
        used = self.spent - self.spent_at_review + self.held
        self.spent_at_review = self.spent
        if used * 4 < self.target:
            self.target //= 2
        if self.free > self.target:
            self.give_back(self.free - self.target)
        self.low = self.target // 2

    def totals(self) -> tuple[int, int, int, int]:
        """What a report says; equal to `reported` where the store knows it all."""
        return self.spent, self.returned, self.overrun, self.recall_seen

    def report(self) -> Report:
        """The slice's totals for the store."""
        return Report(
            account_id=self.account.account_id,
            spent=self.spent,
            returned=self.returned,
            overrun=self.overrun,
            recall_seen=self.recall_seen,
        )

    def learn(self, lent: Lent) -> None:
        """What the store has granted since we last heard is free here."""
        if not self.known:
            self.known = True
            self.granted = lent.spent + lent.returned - lent.overrun
            self.spent += lent.spent
            self.spent_at_review += lent.spent
            self.returned += lent.returned
            self.overrun += lent.overrun
            self.recall_seen = lent.recall_seen
            self.reported = (lent.spent, lent.returned, lent.overrun, lent.recall_seen)
        if lent.granted > self.granted:
            self.free += lent.granted - self.granted
            self.granted = lent.granted
        self.tight = lent.tight
        self.recall_due = max(self.recall_due, lent.recall_seq)


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for `needs` of `slices`; `recalled` once others were asked to give back, `refusal` is what the store said
    last.

    Nobody passes a waiter before the store was asked, nor while unspent slices are being called back for it, until `first_until`.
    """

    slices: tuple[Slice, ...]
    needs: Amounts
    served: asyncio.Future[None]
    first_until: float
    recalled: bool = False
    refusal: Refusal | None = None


Line = deque[Waiter]


@dataclass(slots=True, kw_only=True, eq=False)
class Books:
    """A tenant's slices while no window of it ends: valid for requests admitted in [since, until) under exactly this `tenant`."""

    tenant: Tenant
    slices: tuple[Slice, ...]
    since: float
    until: float
    line: Line
    accounts: msgspec.Raw


def open_books(tenant: Tenant, now: float, slices: dict[str, Slice], line: Line) -> Books:
    """The books of `tenant` at `now`; known slices are kept, and one whose account shrank gives back what it has."""
    found: list[Slice] = []
    since, until = float("-inf"), float("inf")
    for account in accounts_of(tenant, now):
        known = slices.get(account.account_id)
        if known is None:
            known = slices[account.account_id] = Slice(account)
        elif known.account.capacity != account.capacity:
            if account.capacity < known.account.capacity:
                known.give_back(known.free)
                known.target = min(known.target, account.capacity)
            known.account = account
        found.append(known)
        if account.window:
            since = max(since, account.starts_at)
            until = min(until, account.ends_at) if account.ends_at is not None else until
    raw = msgspec.Raw(_encode([(one.account.account_id, one.code) for one in found]))
    return Books(tenant=tenant, slices=tuple(found), since=since, until=until, line=line, accounts=raw)


def covers(slices: tuple[Slice, ...], needs: Amounts) -> bool:
    """Whether `take` would succeed."""
    return all(one.free >= needs[one.code] for one in slices)


def take(slices: tuple[Slice, ...], needs: Amounts) -> bool:
    """All of `needs` was taken from every slice, or nothing from any."""
    for one in slices:
        if one.free < needs[one.code]:
            return False
    for one in slices:
        one.free -= needs[one.code]
    return True


def put_back(slices: tuple[Slice, ...], amounts: Amounts | list[int]) -> None:
    """What was taken is free again."""
    for one in slices:
        one.free += amounts[one.code]


def asks_of(line: Line, most: int) -> list[Ask]:
    """What the first `most` waiters need beyond what is free here, one ask each, in order."""
    free: dict[Slice, int] = {}
    dry: set[Slice] = set()
    asks: list[Ask] = []
    for waiter, _ in zip(line, range(most), strict=False):
        items: list[AskItem] = []
        for one in waiter.slices:
            need = waiter.needs[one.code]
            left = free.get(one, one.free) - need
            if left < 0:
                if one not in dry:
                    dry.add(one)
                    one.ran_dry(need)
                wanted = -left if one.tight else max(one.target, -left)
                items.append(AskItem(account=one.account, minimum=-left, wanted=wanted, whole=need))
                left = 0
            free[one] = left
        asks.append(Ask(items=tuple(items), recall=not waiter.recalled))
        waiter.recalled = True
    return asks
