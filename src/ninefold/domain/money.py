"""Money is an integer number of nano-dollars; a price is an integer number of nano-dollars per million tokens."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.usage import Usage

NANOS_PER_USD = 1_000_000_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """What all tokens of an attempt cost where its input has more than `above_input_tokens`.

    Source: long-context prices of Anthropic, OpenAI and Google: crossing the threshold changes the rate of the whole request.
    """

    above_input_tokens: int
    input_per_million: int
    output_per_million: int
    cached_input_per_million: int
    cache_write_per_million: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a deployment's tokens cost, in nano-dollars per million tokens of each kind.

    `version` names the catalogue entry or configuration that set it and stands on every cost line. `tiers` replace the rates of
    attempts with much input, lowest threshold first.
    """

    version: str
    input_per_million: int
    output_per_million: int
    cached_input_per_million: int
    cache_write_per_million: int
    currency: str = "USD"
    tiers: tuple[PriceTier, ...] = ()

    def cost_nanos(self, usage: Usage) -> int:
        """The cost of `usage`, rounded half up once, at the end."""
        rates: Price | PriceTier = self
        for tier in self.tiers:
            if usage.input_tokens > tier.above_input_tokens:
                rates = tier
        plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        total = (
            max(plain, 0) * rates.input_per_million
            + usage.cached_input_tokens * rates.cached_input_per_million
            + usage.cache_write_tokens * rates.cache_write_per_million
            + usage.output_tokens * rates.output_per_million
        )
        return (total + _MILLION // 2) // _MILLION

    def worst_case_nanos(self, input_tokens: int, output_tokens: int) -> int:
        """An upper bound of the cost of any usage with at most these counts, rounded up."""
        total = _dearest(self, input_tokens, output_tokens)
        for tier in self.tiers:
            if input_tokens > tier.above_input_tokens:
                total = max(total, _dearest(tier, input_tokens, output_tokens))
        return -(-total // _MILLION)


def _dearest(rates: Price | PriceTier, input_tokens: int, output_tokens: int) -> int:
    dearest_input = max(rates.input_per_million, rates.cached_input_per_million, rates.cache_write_per_million)
    return input_tokens * dearest_input + output_tokens * rates.output_per_million


def usd(nanos: int) -> str:
    """`nanos` as a plain decimal number of dollars with nine digits after the point."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS_PER_USD)
    return f"{sign}{whole}.{rest:09d}"
