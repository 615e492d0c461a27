"""List prices from the data that the installed `genai-prices` package carries.

Its import costs 0.25 s and 32 MB (it brings an HTTP client for updates that we never start), so it happens at the first question
and in control only. Nothing is fetched: a price changes when the package is upgraded, and its version stands in every price's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from ninefold.domain.money import NANOS_PER_USD, Price, PriceTier

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

_VENDORS = ("openai", "anthropic")


class GenaiPrices:
    """A `PriceCatalogue` over the packaged data. What costs more than tokens (searches, audio by the hour) is not in it."""

    def price(self, provider: str, model: str, *, base_url: str, at: float) -> Price | None:
        if provider not in _VENDORS:
            return None
        found = _find(provider, model, base_url)
        if found is None:
            return None
        vendor, info = found
        return _to_domain(info.get_prices(datetime.fromtimestamp(at, UTC)), f"{vendor.id}/{info.id}")


def _find(provider: str, model: str, base_url: str) -> tuple[Provider, ModelInfo] | None:
    """The entry under the vendor whose address `base_url` is; under `provider` itself where it is nobody's (a proxy, a test)."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415  # dear, see above

    snapshot = get_snapshot()
    try:
        vendor = snapshot.find_provider(None, None, base_url)
    except LookupError:
        vendor = snapshot.find_provider(None, provider, None)
    try:
        return snapshot.find_provider_model(model, vendor, None, None)
    except LookupError:
        return None


def _to_domain(prices: ModelPrice, entry: str) -> Price | None:
    from genai_prices import __version__  # noqa: PLC0415  # dear, see above

    base = _rates(prices, 0)
    if base is None:
        return None
    return Price(
        version=f"genai-prices:{__version__}:{entry}",
        input_per_million=base[0],
        output_per_million=base[1],
        cached_input_per_million=base[2],
        cache_write_per_million=base[3],
        tiers=tuple(_tier(prices, above) for above in _thresholds(prices)),
    )


def _thresholds(prices: ModelPrice) -> list[int]:
    rates = (prices.input_mtok, prices.output_mtok, prices.cache_read_mtok, prices.cache_write_mtok)
    return sorted({tier.start for rate in rates if rate is not None and not isinstance(rate, Decimal) for tier in rate.tiers})


def _tier(prices: ModelPrice, above: int) -> PriceTier:
    rates = _rates(prices, above + 1)
    assert rates is not None
    return PriceTier(
        above_input_tokens=above,
        input_per_million=rates[0],
        output_per_million=rates[1],
        cached_input_per_million=rates[2],
        cache_write_per_million=rates[3],
    )


def _rates(prices: ModelPrice, input_tokens: int) -> tuple[int, int, int, int] | None:
    """Nano-dollars per million tokens of input, output, cached input and cache writes; None where input is not sold by the token.

    A model without a price for output has none (embeddings); without one for cached input or cache writes, it bills them as input.
    """
    plain = _nanos(prices.input_mtok, input_tokens)
    if plain is None:
        return None
    output, read, write = (_nanos(rate, input_tokens) for rate in (prices.output_mtok, prices.cache_read_mtok, prices.cache_write_mtok))
    return plain, output or 0, plain if read is None else read, plain if write is None else write


def _nanos(rate: Decimal | TieredPrices | None, input_tokens: int) -> int | None:
    if rate is None:
        return None
    if not isinstance(rate, Decimal):
        rate = next((tier.price for tier in reversed(rate.tiers) if input_tokens > tier.start), rate.base)
    return int((rate * NANOS_PER_USD).to_integral_value(rounding=ROUND_HALF_UP))
