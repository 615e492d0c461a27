"""What an OpenAI-speaking vendor's error statuses and error events mean to us."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ninefold.domain.errors import (
    ContextTooLong,
    NinefoldError,
    NoRuleMatched,
    RateLimited,
    Unavailable,
    Unsupported,
    UpstreamRejected,
)
from ninefold.wire.status_meaning import meaning


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Error


_envelope = msgspec.json.Decoder(_Envelope)
_error = msgspec.json.Decoder(_Error)


def failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better.

    Source: platform.openai.com/docs/guides/error-codes.
    """
    try:
        found = _envelope.decode(body).error
    except msgspec.MsgspecError:
        found = _Error()
    if status == 400 and found.code == "context_length_exceeded":
        return ContextTooLong(f"The upstream says: {found.message or 'the conversation is too long'}", param=found.param), True
    if status == 404 and found.code == NoRuleMatched.code:
        return NoRuleMatched(found.message or "No rule answers this."), True  # our own rules deployment, which speaks this protocol
    if status == 400 and found.code == Unsupported.code:
        return Unsupported(found.message or "This cannot be asked of a local model.", param=found.param), False  # our own worker's word
    return meaning(status, headers, found.message, found.param)


def event_error(body: bytes) -> NinefoldError:
    """The error that a vendor sent inside a stream that had begun with status 200."""
    try:
        found = _error.decode(body)
    except msgspec.MsgspecError:
        found = _Error()
    kind = f"{found.type or ''} {found.code or ''}"
    if "rate_limit" in kind or "429" in kind:
        return RateLimited("The upstream's rate limit was reached in mid-stream.")
    if "invalid_request" in kind:
        return UpstreamRejected(f"The upstream says: {found.message or 'the request is invalid'}")
    return Unavailable("The upstream sent an error in its stream.")
