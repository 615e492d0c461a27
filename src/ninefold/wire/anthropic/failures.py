"""What Anthropic's error statuses and error events mean to us."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ninefold.domain.errors import (
    ContextTooLong,
    NinefoldError,
    RateLimited,
    Unavailable,
    UpstreamRejected,
)
from ninefold.wire.status_meaning import meaning


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


_envelope = msgspec.json.Decoder(_Envelope)
_error = msgspec.json.Decoder(_Error)


def failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better.

    Source: docs.anthropic.com/en/api/errors: 529 is overload; 400 also covers an exhausted credit balance, and a prompt longer than the
    model's context ("prompt is too long: 210000 tokens > 200000 maximum").
    """
    try:
        found = _envelope.decode(body).error
    except msgspec.MsgspecError:
        found = _Error()
    if status == 400 and "credit balance" in found.message:
        return UpstreamRejected("The upstream account has no credit left; its operator must look at it."), True
    if status == 400 and found.message.startswith("prompt is too long"):
        return ContextTooLong(f"The upstream says: {found.message}", param="messages"), True
    return meaning(status, headers, found.message)


def event_error(body: bytes) -> NinefoldError:
    """The error that arrived inside a stream that had begun with status 200."""
    try:
        found = _error.decode(body)
    except msgspec.MsgspecError:
        found = _Error()
    if found.type == "rate_limit_error":
        return RateLimited("The upstream's rate limit was reached in mid-stream.")
    if found.type == "invalid_request_error":
        return UpstreamRejected(f"The upstream says: {found.message}")
    return Unavailable(f"The upstream sent an error in its stream ({found.type or 'untyped'}).")
