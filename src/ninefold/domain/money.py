"""Money is an integer number of nano-dollars; a price is an integer number of nano-dollars per million tokens."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.usage import Usage

NANOS_PER_USD = 1_000_000_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a deployment's tokens cost, in nano-dollars per million tokens of each kind.

    `version` names the catalogue entry or configuration that set it and stands on every cost line.
    """

    version: str
    input_per_million: int
    output_per_million: int
    cached_input_per_million: int
    cache_write_per_million: int
    currency: str = "USD"

    def cost_nanos(self, usage: Usage) -> int:
        """The cost of `usage`, rounded half up once, at the end."""
        plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        total = (
            max(plain, 0) * self.input_per_million
            + usage.cached_input_tokens * self.cached_input_per_million
            + usage.cache_write_tokens * self.cache_write_per_million
            + usage.output_tokens * self.output_per_million
        )
        return (total + _MILLION // 2) // _MILLION

    def worst_case_nanos(self, input_tokens: int, output_tokens: int) -> int:
        """An upper bound of the cost of any usage with at most these counts, rounded up."""
        dearest_input = max(self.input_per_million, self.cached_input_per_million, self.cache_write_per_million)
        total = input_tokens * dearest_input + output_tokens * self.output_per_million
        return -(-total // _MILLION)


def usd(nanos: int) -> str:
    """`nanos` as a plain decimal number of dollars with nine digits after the point."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS_PER_USD)
    return f"{sign}{whole}.{rest:09d}"
