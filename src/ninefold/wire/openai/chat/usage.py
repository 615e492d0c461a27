"""Token usage as chat completions report it."""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class PromptDetails(msgspec.Struct):
    """`prompt_tokens_details`: parts of `prompt_tokens`."""

    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None


class CompletionDetails(msgspec.Struct):
    """`completion_tokens_details`: parts of `completion_tokens`, but for vendors that count reasoning beside it."""

    reasoning_tokens: TokenCount | None = None


class ReportedUsage(msgspec.Struct):
    """`usage`. `prompt_cache_hit_tokens` is DeepSeek's older name of cached tokens."""

    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    total_tokens: TokenCount | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: TokenCount | None = None

    def to_domain(self) -> Usage:
        """The counts with each token counted once.

        Source: docs.x.ai "Reasoning": xAI leaves reasoning tokens out of `completion_tokens`, which shows in `total_tokens`.
        """
        prompt = self.prompt_tokens or 0
        completion = self.completion_tokens or 0
        reasoning = (self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens) or 0
        if reasoning and (reasoning > completion or self.total_tokens == prompt + completion + reasoning):
            completion += reasoning
        details = self.prompt_tokens_details or PromptDetails()
        cached = details.cached_tokens if details.cached_tokens is not None else self.prompt_cache_hit_tokens
        return Usage(
            input_tokens=prompt,
            output_tokens=completion,
            cached_input_tokens=cached or 0,
            cache_write_tokens=details.cache_write_tokens or 0,
            reasoning_tokens=reasoning,
        )


def members(usage: Usage) -> dict[str, object]:
    """The `usage` object."""
    prompt: dict[str, object] = {"cached_tokens": usage.cached_input_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
