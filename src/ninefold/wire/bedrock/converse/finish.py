"""Why a model stopped, in the words of Converse."""

from __future__ import annotations

from ninefold.domain.chat import FinishReason
from ninefold.domain.errors import UpstreamRejected

# Source: API_runtime_Converse.html, stopReason. The two for malformed output are no proper ends and are not passed off as such.
_READ = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.REFUSAL,
}


def read(reason: str | None) -> FinishReason:
    """The reason. Raises: UpstreamRejected for one that is not known."""
    found = _READ.get(reason or "")
    if found is None:
        raise UpstreamRejected(f"The upstream ended its answer for the reason {(reason or 'null')[:40]!r}.")
    return found
