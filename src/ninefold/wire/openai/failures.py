"""What an OpenAI-speaking vendor's error statuses and error events mean to us."""

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

    A 400 is the caller's own (and the same everywhere); 401, 402, 403 and 404 are about our account and model there.
    Source: platform.openai.com/docs/guides/error-codes.
    """
    try:
        found = _envelope.decode(body).error
    except msgspec.MsgspecError:
        found = _Error()
    said = found.message or f"no reason given (status {status})"
    if status in {400, 422}:
        return InvalidRequest(f"The upstream says: {said}", param=found.param), False
    if status == 413:
        return TooLarge(f"The upstream says: {said}"), True
    if status == 429:
        return RateLimited("The upstream's rate limit is reached.", retry_after_s=retry_after(headers)), True
    if status in {408, 504}:
        return DeadlineExceeded(f"The upstream gave up waiting (status {status})."), True
    if status >= 500:
        return Unavailable(f"The upstream failed (status {status}).", retry_after_s=retry_after(headers)), True
    return UpstreamRejected(f"The upstream refused this gateway's request (status {status}); its operator must look at it."), True


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
