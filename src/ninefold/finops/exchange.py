"""What a worker tells the store next, and what it learns from the answer; no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ninefold.domain.allowance import Ask, AskItem, Refusal, Reply, Report
from ninefold.finops.slices import Line, Slice, Waiter, asks_of

# Waiters of one tenant that are asked for in one transaction.
_BATCH = 64
_UNHEARD = (-1, -1, -1, -1)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One transaction: reports, the asks of waiters in order, then top-ups that are never refused."""

    reports: tuple[Report, ...]
    slices: tuple[Slice, ...]
    totals: tuple[tuple[Slice, tuple[int, int, int, int]], ...]
    asks: tuple[Ask, ...]
    waiters: tuple[Waiter, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not self.reports and not self.asks


def plan_exchange(slices: Iterable[Slice], lines: Iterable[Line], now: float) -> Exchange:
    """Slices of ended windows, recalled ones and tight ones give back what is free, then everybody in line asks for what is missing."""
    concerned = set(slices)
    waiting = [line for line in lines if line]
    for line in waiting:
        for waiter in line:
            concerned.update(waiter.slices)
    for one in concerned:
        ended = one.account.ends_at is not None and one.account.ends_at <= now and not one.held
        if one.tight or one.recall_due > one.recall_seen:
            one.answer_recall()
        elif ended:
            one.give_back(one.free)
    asks: list[Ask] = []
    waiters: list[Waiter] = []
    for line in waiting:
        mine = asks_of(line, _BATCH)
        asks += mine
        waiters += [waiter for waiter, _ in zip(line, mine, strict=False)]
    for one in concerned:
        over = one.account.ends_at is not None and one.account.ends_at <= now
        if one.free < one.low and not one.tight and not over:
            item = AskItem(account=one.account, minimum=0, wanted=one.target - one.free)
            asks.append(Ask(items=(item,)))
    ordered = sorted(concerned, key=lambda one: one.account.account_id)
    # The totals of a slice that is new here count from what the store remembers of it: that has to be learnt first.
    asks += [Ask(items=(AskItem(account=one.account, minimum=0, wanted=0),)) for one in ordered if not one.known and any(one.totals())]
    totals = tuple((one, one.totals()) for one in ordered if one.known and one.totals() != one.reported)
    return Exchange(
        reports=tuple(one.report() for one, _ in totals), slices=tuple(ordered), totals=totals, asks=tuple(asks), waiters=tuple(waiters)
    )


def forget(exchange: Exchange) -> None:
    """The store may or may not have heard the exchange: everything in it is said again."""
    for one in exchange.slices:
        one.reported = _UNHEARD


def learn(exchange: Exchange, reply: Reply, slices: dict[str, Slice]) -> list[tuple[Waiter, Refusal]]:
    """The slices hold what was granted; returns the waiters whose ask was refused."""
    for one, totals in exchange.totals:
        one.reported = totals
    for lent in reply.leases:
        one = slices.get(lent.account_id)
        if one is not None:
            one.learn(lent)
            if one.free < one.low:
                one.low = 0  # there is no more to have now: asked again after the next review, or when it ran dry
    return [(waiter, refusal) for waiter, refusal in zip(exchange.waiters, reply.refusals, strict=False) if refusal is not None]
