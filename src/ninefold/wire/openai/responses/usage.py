"""Token usage as the Responses API reports it."""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class InputDetails(msgspec.Struct):
    """`input_tokens_details`: parts of `input_tokens`."""

    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None


class OutputDetails(msgspec.Struct):
    """`output_tokens_details`: parts of `output_tokens`."""

    reasoning_tokens: TokenCount | None = None


class ReportedUsage(msgspec.Struct):
    """`usage`."""

    input_tokens: TokenCount = 0
    output_tokens: TokenCount = 0
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def to_domain(self) -> Usage:
        """The counts."""
        read = self.input_tokens_details or InputDetails()
        written = self.output_tokens_details or OutputDetails()
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_input_tokens=read.cached_tokens or 0,
            cache_write_tokens=read.cache_write_tokens or 0,
            reasoning_tokens=written.reasoning_tokens or 0,
        )


def members(usage: Usage) -> dict[str, object]:
    """The `usage` object."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
