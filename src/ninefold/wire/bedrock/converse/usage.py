"""Token usage as Converse reports it."""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class ReportedUsage(msgspec.Struct, rename="camel"):
    """`usage`: what went through the prompt cache stands beside `inputTokens`, not inside it.

    Source: docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html: the tokens read from and written to the cache come on top
    of `inputTokens`, which counts the others alone; `totalTokens` is the sum of all four.
    """

    input_tokens: TokenCount = 0
    output_tokens: TokenCount = 0
    cache_read_input_tokens: TokenCount = 0
    cache_write_input_tokens: TokenCount = 0

    def to_domain(self) -> Usage:
        """The counts with each token counted once."""
        return Usage(
            input_tokens=self.input_tokens + self.cache_read_input_tokens + self.cache_write_input_tokens,
            output_tokens=self.output_tokens,
            cached_input_tokens=self.cache_read_input_tokens,
            cache_write_tokens=self.cache_write_input_tokens,
        )
