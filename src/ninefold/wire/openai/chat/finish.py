"""Why a model stopped, in the words of chat completions."""

from __future__ import annotations

from ninefold.domain.chat import FinishReason
from ninefold.domain.errors import UpstreamRejected

_READ = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    # Words of compatible servers: Mistral, Text Generation Inference.
    "model_length": FinishReason.LENGTH,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
}
# A refusal is a filtered answer here; a paused turn is one that is not complete, which "length" says and "stop" would deny.
_WRITTEN = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: "length",
}


def read(reason: str, stop_reason: object) -> tuple[FinishReason, str | None]:
    """The reason, and the caller's stop string that ended the answer where the server names it.

    An unknown reason is refused rather than passed off as a proper end: some servers write "error" or "abort" there.
    Source: vLLM's `stop_reason` beside `finish_reason` (docs.vllm.ai, OpenAI-compatible server) is the stop string or a token id.
    Raises: UpstreamRejected.
    """
    found = _READ.get(reason)
    if found is None:
        raise UpstreamRejected(f"The upstream ended its answer for the unknown reason {reason[:40]!r}.")
    if found is FinishReason.STOP and isinstance(stop_reason, str) and stop_reason:
        return FinishReason.STOP_SEQUENCE, stop_reason
    return found, None


def word(reason: FinishReason) -> str:
    """The `finish_reason`."""
    return _WRITTEN[reason]
