"""What Anthropic's error statuses and error events mean to us."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ninefold.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NinefoldError,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamRejected,
)
from ninefold.wire.retry_after import retry_after


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


_envelope = msgspec.json.Decoder(_Envelope)
_error = msgspec.json.Decoder(_Error)


def failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better.

    Source: docs.anthropic.com/en/api/errors: 529 is overload; 400 also covers an exhausted credit balance.
    """
    try:
        found = _envelope.decode(body).error
    except msgspec.MsgspecError:
        found = _Error()
    said = found.message or f"no reason given (status {status})"
    if status == 400 and "credit balance" in said:
        return UpstreamRejected("The upstream account has no credit left; its operator must look at it."), True
    if status in {400, 422}:
        return InvalidRequest(f"The upstream says: {said}"), False
    if status == 413:
        return TooLarge(f"The upstream says: {said}"), True
    if status == 429:
        return RateLimited("The upstream's rate limit is reached.", retry_after_s=retry_after(headers)), True
    if status in {408, 504}:
        return DeadlineExceeded(f"The upstream gave up waiting (status {status})."), True
    if status >= 500:
        return Unavailable(f"The upstream failed or is overloaded (status {status}).", retry_after_s=retry_after(headers)), True
    return UpstreamRejected(f"The upstream refused this gateway's request (status {status}); its operator must look at it."), True


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
