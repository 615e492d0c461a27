"""Tool arguments: a JSON text in the domain, a JSON object in messages."""

from __future__ import annotations

import re

import msgspec

from ninefold.wire import call_ids, vendor_json

_WRAPPED = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_WRAP = "INVALID_JSON"
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NOT_ID = re.compile(r"[^a-zA-Z0-9_-]")


def write(arguments: str) -> msgspec.Raw:
    """`input` for these arguments, as they were written; none at all is an empty object.

    A model may write text that is no object, or be cut off inside one: that text stands in `{"INVALID_JSON": …}`.
    Source: docs.anthropic.com "Fine-grained tool streaming", handling invalid JSON.
    """
    if not arguments.strip():
        return msgspec.Raw(b"{}")
    if vendor_json.is_object(arguments):
        return msgspec.Raw(arguments.encode())
    return msgspec.Raw(msgspec.json.encode({_WRAP: arguments}))


def read(text: str) -> str:
    """The arguments in the JSON text of `input`."""
    if _WRAP not in text or not vendor_json.is_object(text):
        return text
    members = _WRAPPED.decode(text)
    if len(members) != 1 or not bytes(members.get(_WRAP, msgspec.Raw())).startswith(b'"'):
        return text
    return _TEXT.decode(members[_WRAP])


def call_id(value: str) -> str:
    """An id in the only letters that Anthropic takes; another vendor's id is spelt so that different ids stay different.

    Source: the API's own check, "String should match pattern '^[a-zA-Z0-9_-]+$'". Ids are only compared within one request.
    """
    value = call_ids.bare(value)
    if _ID.fullmatch(value):
        return value
    return _NOT_ID.sub(lambda match: f"_x{ord(match.group()):x}_", value) or "_"
