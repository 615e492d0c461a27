"""Token usage as Gemini reports it."""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class ReportedUsage(msgspec.Struct, rename="camel"):
    """`usageMetadata`; in a stream every chunk has the counts so far."""

    prompt_token_count: TokenCount | None = None
    candidates_token_count: TokenCount | None = None
    thoughts_token_count: TokenCount | None = None
    cached_content_token_count: TokenCount | None = None
    tool_use_prompt_token_count: TokenCount | None = None

    def to_domain(self) -> Usage:
        """The counts with each token counted once.

        Source: ai.google.dev/api/generate-content#UsageMetadata: the prompt includes what was cached, but not the results of Google's
        own tools; thoughts stand beside the candidates.
        """
        thoughts = self.thoughts_token_count or 0
        return Usage(
            input_tokens=(self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0),
            output_tokens=(self.candidates_token_count or 0) + thoughts,
            cached_input_tokens=self.cached_content_token_count or 0,
            reasoning_tokens=thoughts,
        )


def members(usage: Usage) -> dict[str, object]:
    """The `usageMetadata` object."""
    written: dict[str, object] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(usage.output_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.reasoning_tokens:
        written["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cached_input_tokens:
        written["cachedContentTokenCount"] = usage.cached_input_tokens
    return written
