"""Anthropic's error envelope, in both directions.

Source: docs.anthropic.com/en/api/errors; `details.error_code` as in the vendor's own SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ninefold.wire.sse import event

NO_MORE: Final[Mapping[str, object]] = {}
_MOST_TEXT = 300


class _Details(msgspec.Struct):
    error_code: str | None = None


class _Error(msgspec.Struct):
    type: str | None = None
    message: str | None = None
    details: _Details | None = None


class _Envelope(msgspec.Struct):
    error: _Error


_decoder = msgspec.json.Decoder(_Envelope)


def decode(body: bytes) -> tuple[str, str, str, str]:
    """Message, type, code and param (always ""); "" for what is not there. What is no envelope is the message, cut at 300 characters."""
    try:
        error = _decoder.decode(body).error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body.decode("utf-8", "replace").strip()[:_MOST_TEXT], "", "", ""
    code = (error.details and error.details.error_code) or ""
    return error.message or "", error.type or "", code, ""


def encode(
    message: str,
    *,
    type: str,  # noqa: A002  the protocol's own word
    request_id: str | None = None,
    code: str | None = None,
    more: Mapping[str, object] = NO_MORE,
) -> bytes:
    """The envelope; `more` are further members of the error."""
    error: dict[str, object] = {"type": type, "message": message, **more}
    if code:
        error["details"] = {"error_code": code}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id or None})


def encode_event(
    message: str,
    *,
    type: str,  # noqa: A002  the protocol's own word
    request_id: str | None = None,
    code: str | None = None,
    more: Mapping[str, object] = NO_MORE,
) -> bytes:
    """The envelope as an `error` event of a stream that has begun."""
    return event(encode(message, type=type, request_id=request_id, code=code, more=more), "error")
