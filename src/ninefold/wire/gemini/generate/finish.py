"""Why a model stopped, in Gemini's words.

Source: ai.google.dev/api/generate-content#FinishReason.
"""

from __future__ import annotations

from ninefold.domain.chat import FinishReason
from ninefold.domain.errors import UpstreamRejected

_READ = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
        ),
        FinishReason.CONTENT_FILTER,
    ),
}
# A refusal is a filtered answer here; a paused turn is one that is not complete, which "MAX_TOKENS" says and "STOP" would deny.
_WRITTEN = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.STOP_SEQUENCE: "STOP",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.PAUSE: "MAX_TOKENS",
}


def read(reason: str, *, called: bool) -> FinishReason:
    """The reason; calls end with STOP here.

    OTHER, a malformed call and everything unknown are refused rather than passed off as a proper end. Raises: UpstreamRejected.
    """
    found = _READ.get(reason)
    if found is None:
        raise UpstreamRejected(f"The upstream ended its answer for the reason {reason[:40]!r}, which is no proper end.")
    return FinishReason.TOOL_CALLS if called and found is FinishReason.STOP else found


def word(reason: FinishReason, *, refused: bool) -> str:
    """The `finishReason`."""
    return "SAFETY" if refused and reason is FinishReason.STOP else _WRITTEN[reason]
