"""What was out of the ordinary on the way of this worker's requests, counted where it happens."""

from __future__ import annotations

from collections import Counter

SENT, WON, LOST = "sent", "won", "lost"


class Counts:
    """Since the worker began. Every name in it is one of the configuration; an attempt that brings its answer is not counted here, so
    that an ordinary request costs nothing.

    `failed` by deployment and error code, `retries` by model, `hedges` by model and result with the cost of the attempts that were
    called off, `promotions` by both classes and trigger with the cost of what was tried before.
    """

    __slots__ = ("failed", "hedge_nanos", "hedges", "promotion_nanos", "promotions", "retries")

    def __init__(self) -> None:
        self.failed: Counter[tuple[str, str]] = Counter()
        self.retries: Counter[str] = Counter()
        self.hedges: Counter[tuple[str, str]] = Counter()
        self.hedge_nanos: Counter[str] = Counter()
        self.promotions: Counter[tuple[str, str, str]] = Counter()
        self.promotion_nanos: Counter[tuple[str, str, str]] = Counter()

    def raced(self, model: str, result: str, called_off_nanos: int) -> None:
        """A race of two attempts was `won` or `lost` by the second one; what was called off has cost so much."""
        self.hedges[model, result] += 1
        self.hedge_nanos[model] += called_off_nanos

    def promoted(self, source: str, to: str, why: str, cost_nanos: int) -> None:
        """A request went on to another task class."""
        self.promotions[source, to, why] += 1
        self.promotion_nanos[source, to, why] += cost_nanos
