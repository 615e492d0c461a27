"""Why a model stopped, in the words of messages."""

from __future__ import annotations

from ninefold.domain.chat import FinishReason
from ninefold.domain.errors import UpstreamRejected

_READ = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}
_WRITTEN = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
}


def read(reason: str | None) -> FinishReason:
    """The reason. Raises: UpstreamRejected for one that is not known, which is not passed off as a proper end."""
    found = _READ.get(reason or "")
    if found is None:
        raise UpstreamRejected(f"The upstream ended its answer for the unknown reason {(reason or 'null')[:40]!r}.")
    return found


def word(reason: FinishReason, *, called: bool, refused: bool) -> str:
    """The `stop_reason`.

    Other vendors say "stop" after a call that the caller forced, and after a refusal; agents of this protocol go by `tool_use` and
    `refusal` alone.
    """
    if reason is FinishReason.STOP and called:
        return "tool_use"
    if reason is FinishReason.STOP and refused:
        return "refusal"
    return _WRITTEN[reason]
