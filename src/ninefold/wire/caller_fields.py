"""The fields of a caller's own protocol, where what went wrong was found in the words of another."""

from __future__ import annotations

from collections.abc import Mapping

RESPONSES: Mapping[str, str] = {
    "messages": "input",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "logprobs": "include",
}
ANTHROPIC: Mapping[str, str] = {
    "messages": "messages",
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning_effort": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "max_completion_tokens": "max_tokens",
    "user": "metadata.user_id",
}


def named(param: str | None, words: Mapping[str, str]) -> str | None:
    """The caller's own word for `param`, by its longest beginning that is known; places inside a list are not told apart."""
    rest = param
    while rest:
        if rest in words:
            return words[rest]
        rest = rest[: max(rest.rfind("."), rest.rfind("["), 0)]
    return param
