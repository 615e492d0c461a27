"""What a vendor's tokens cost, and since when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.money import Price


class PriceCatalogue(Protocol):
    """Knows prices by vendor, model and moment.

    Laws (tests/unit/finops/test_catalogue.py): the same question gets the same answer; a model that is not known is None, never a
    price of zero; no network.
    """

    def price(self, provider: str, model: str, *, base_url: str, at: float) -> Price | None:
        """The list price at `at` (seconds since the epoch), or None. `base_url` tells vendors apart that speak one protocol."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedPrice:
    """A price that holds from `effective_from` (seconds since the epoch) until the next one of the same model."""

    provider: str
    model: str
    effective_from: float
    price: Price


class DatedCatalogue:
    """Prices that were agreed on, by date; what they do not cover is asked of `otherwise`."""

    def __init__(self, prices: Iterable[DatedPrice], otherwise: PriceCatalogue | None = None) -> None:
        self._otherwise = otherwise
        self._entries: dict[tuple[str, str], list[DatedPrice]] = {}
        for each in sorted(prices, key=lambda entry: entry.effective_from):
            self._entries.setdefault((each.provider, each.model), []).append(each)

    def price(self, provider: str, model: str, *, base_url: str, at: float) -> Price | None:
        entries = self._entries.get((provider, model), [])
        index = bisect_right(entries, at, key=lambda entry: entry.effective_from)
        if index:
            return entries[index - 1].price
        return self._otherwise.price(provider, model, base_url=base_url, at=at) if self._otherwise is not None else None
