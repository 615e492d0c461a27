"""How many retries and hedges a worker allows itself."""

from __future__ import annotations

from ninefold.domain.snapshot import Hedge, Retries

WINDOW_S = 10


class RetryBudget:
    """One model's in one worker: what began, and what was tried again or twice, in the last ten seconds, counted by the second.

    A second attempt that a failing vendor causes is load that nobody asked for; bounded to a share of what was asked for it cannot grow
    into a storm. `now` is always seconds of one monotonic clock.
    """

    __slots__ = ("_began", "_extra", "_hedges", "_requests", "_seconds", "_until")

    def __init__(self) -> None:
        self._seconds = [-WINDOW_S] * WINDOW_S
        self._requests = [0] * WINDOW_S
        self._extra = [0] * WINDOW_S
        self._hedges = [0] * WINDOW_S
        # The requests of the second that is running stand beside the ring, for they are counted on the path of every request.
        self._began = 0
        self._until = 0.0

    def requested(self, now: float) -> None:
        """A request began."""
        if now >= self._until:
            self._turn(now)
        self._began += 1

    def take(self, rules: Retries, now: float) -> bool:
        """Whether one more attempt is allowed; then it is taken."""
        slot = self._slot(now)
        if self._sum(self._extra, now) + 1 > rules.budget_ratio * self._sum(self._requests, now) + rules.budget_floor:
            return False
        self._extra[slot] += 1
        return True

    def take_hedge(self, hedge: Hedge, rules: Retries, now: float) -> bool:
        """Whether one more hedge is allowed by both budgets; then it is taken out of both.

        Where hedges are allowed at all one in ten seconds is: a share of few requests would never come to one.
        """
        slot = self._slot(now)
        share = hedge.budget_ratio * self._sum(self._requests, now)
        if hedge.budget_ratio <= 0 or self._sum(self._hedges, now) + 1 > max(share, 1.0) or not self.take(rules, now):
            return False
        self._hedges[slot] += 1
        return True

    def _slot(self, now: float) -> int:
        """Where this second is counted, its requests so far included."""
        if now >= self._until:
            self._turn(now)
        slot = int(now) % WINDOW_S
        self._requests[slot] = self._began
        return slot

    def _sum(self, counts: list[int], now: float) -> int:
        oldest = int(now) - WINDOW_S
        return sum(count for count, second in zip(counts, self._seconds, strict=True) if second > oldest)

    def _turn(self, now: float) -> None:
        """A second begins; the one before is in the ring."""
        if self._until:
            self._requests[(int(self._until) - 1) % WINDOW_S] = self._began
        second = int(now)
        slot = second % WINDOW_S
        self._seconds[slot] = second
        self._requests[slot] = self._extra[slot] = self._hedges[slot] = 0
        self._began = 0
        self._until = second + 1.0
