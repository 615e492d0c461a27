"""Token usage as messages report it."""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class CacheCreation(msgspec.Struct):
    """`cache_creation`: the tokens written to the cache, by lifetime."""

    ephemeral_5m_input_tokens: TokenCount = 0
    ephemeral_1h_input_tokens: TokenCount = 0


class OutputDetails(msgspec.Struct):
    """`output_tokens_details`: a part of `output_tokens`."""

    thinking_tokens: TokenCount = 0


class ReportedUsage(msgspec.Struct):
    """`usage`, whole or, in `message_delta`, what has changed: counts there are totals so far, absent ones stay as they were."""

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None

    def updated(self, newer: ReportedUsage) -> ReportedUsage:
        """This usage with the counts that `newer` has."""
        fields = {name: getattr(newer, name) for name in self.__struct_fields__ if getattr(newer, name) is not None}
        return msgspec.structs.replace(self, **fields)

    def to_domain(self) -> Usage:
        """The counts with each token counted once: here `input_tokens` leaves out what went through the cache."""
        written = self.cache_creation_input_tokens
        if written is None:
            split = self.cache_creation or CacheCreation()
            written = split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens
        read = self.cache_read_input_tokens or 0
        return Usage(
            input_tokens=(self.input_tokens or 0) + read + written,
            output_tokens=self.output_tokens or 0,
            cached_input_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=self.output_tokens_details.thinking_tokens if self.output_tokens_details else 0,
        )


def members(usage: Usage) -> dict[str, object]:
    """The `usage` object."""
    written: dict[str, object] = {
        "input_tokens": max(usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return written
