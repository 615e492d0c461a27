"""A JSON object as its members' own bytes: what we do not change is passed on as it was written."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from ninefold.domain.errors import InvalidRequest

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode
_T = TypeVar("_T")
_AT = re.compile(r" - at `([^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]+)`")

Members = dict[str, msgspec.Raw]

# The default of an optional member that is kept undecoded: a union of Raw and None would accept nothing but null.
ABSENT = msgspec.Raw()


def is_given(member: msgspec.Raw) -> bool:
    """Whether the member stood in the object, and was not null."""
    return bytes(member) not in {b"", b"null"}


def members(body: bytes) -> Members:
    """The members of the object in `body`; of a repeated name the last. Raises: InvalidRequest."""
    try:
        return _members.decode(body)
    except msgspec.MsgspecError as error:
        raise invalid(error) from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.") from None


def read(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """A caller's `body` in the decoder's type. Raises: InvalidRequest naming the field, where it is one field's fault."""
    try:
        if not body.isascii():
            body.decode()  # members that are passed on are not looked at, and what is no text must not reach a vendor
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise invalid(error) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.") from None


def raw(value: object) -> msgspec.Raw:
    """`value` as JSON bytes."""
    return msgspec.Raw(_encode(value))


def encode(value: object) -> bytes:
    """`value` as JSON bytes; Raw members stand as they are."""
    return _encode(value)


def invalid(error: msgspec.MsgspecError) -> InvalidRequest:
    """What a caller is told of a body that could not be decoded: the field, where one is known, and what was expected."""
    text = str(error)
    match = _AT.search(text)
    path = "" if match is None else match.group(1).removeprefix("$").removeprefix(".")
    missing = _MISSING.match(text)
    if missing is not None:
        field = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return InvalidRequest(f"`{field}` is missing.", param=field)
    if match is None:
        return InvalidRequest(f"The body is not a valid JSON request: {text}.")
    return InvalidRequest(f"{text[: match.start()]} in `{path or 'the body'}`.", param=path or None)
