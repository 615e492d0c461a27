"""OpenAI's error envelope, in both directions.

Source: platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ninefold.wire.sse import event

NO_MORE: Final[Mapping[str, object]] = {}
_MOST_TEXT = 300
_decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


class _Error(msgspec.Struct):
    message: object = None
    type: object = None
    code: object = None
    param: object = None


def decode(body: bytes) -> tuple[str, str, str, str]:
    """Message, type, code and param; "" for what is not there.

    Tolerant: compatible servers send the error without its envelope, a bare string, FastAPI's `detail`, or no JSON at all, of which
    the first 300 characters are the message.
    """
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body.decode("utf-8", "replace").strip()[:_MOST_TEXT], "", "", ""
    if isinstance(found, dict):
        found = found.get("error") or found
    if isinstance(found, str):
        return found, "", "", ""
    try:
        error = msgspec.convert(found, _Error)
    except msgspec.ValidationError:
        return "", "", "", ""
    message = _text(error.message)
    if not message and isinstance(found, dict):
        message = _text(found.get("detail"))
    return message, _text(error.type), _text(error.code), _text(error.param)


def _text(value: object) -> str:
    """A string or a number as text; "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def encode(
    message: str,
    *,
    type: str,  # noqa: A002  the protocol's own word
    code: str | None,
    param: str | None,
    more: Mapping[str, object] = NO_MORE,
) -> bytes:
    """The envelope; an empty code or param is null, and `more` are further members of the error."""
    return msgspec.json.encode({"error": {"message": message, "type": type, "param": param or None, "code": code or None, **more}})


def encode_event(
    message: str,
    *,
    type: str,  # noqa: A002  the protocol's own word
    code: str | None,
    param: str | None,
    more: Mapping[str, object] = NO_MORE,
) -> bytes:
    """The envelope as an event of a stream that has begun."""
    return event(encode(message, type=type, code=code, param=param, more=more))
