"""Ids of tool calls that carry what a vendor attached to the call, through protocols that have no other place for it.

Callers send an id back as they got it, whatever their protocol, so nothing has to be remembered here in the meantime.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode

# In the only letters that every vendor takes in an id.
MARK = "__sig_"
_MARK_BYTES = MARK.encode()
# Inside a JSON string a quote is escaped: what stands here between plain ones is a member and its value.
_MEMBER = re.compile(rb'("(?:tool_call_)?id"\s*:\s*"[^"\\]*?)' + _MARK_BYTES + rb'[bt][A-Za-z0-9_-]*"')
_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_", "+/")


def join(call_id: str, signature: str | None) -> str:
    """The id with the signature inside; `split` gives back both."""
    if not signature:
        return call_id
    if _is_base64(signature):
        return f"{call_id}{MARK}b{signature.rstrip('=').translate(_TO_URL)}"
    return f"{call_id}{MARK}t{urlsafe_b64encode(signature.encode()).decode().rstrip('=')}"


def split(value: str) -> tuple[str, str | None]:
    """The id as its vendor or caller made it, and the signature; None where there is none in it."""
    call_id, mark, kept = value.rpartition(MARK)
    if not mark:
        return value, None
    padding = "=" * (-len(kept[1:]) % 4)
    if kept[:1] == "b":
        return call_id, kept[1:].translate(_FROM_URL) + padding
    try:
        return call_id, urlsafe_b64decode(kept[1:] + padding).decode()
    except ValueError:
        return value, None  # somebody else's id that happens to look like ours


def bare(value: str) -> str:
    """The id without a signature: to other vendors it says nothing, and some take short ids only."""
    return value if value.find(MARK) < 0 else split(value)[0]


def stripped(body: bytes) -> bytes:
    """A chat completions request with bare ids, for a vendor that gets the caller's own bytes.

    Source: OpenAI's own check, "string too long. Expected a string with maximum length 40" for `tool_calls[].id`.
    """
    return body if body.find(_MARK_BYTES) < 0 else _MEMBER.sub(rb'\1"', body)


def _is_base64(text: str) -> bool:
    """Whether `text` is base64 as it is usually written, so that taking its padding off loses nothing."""
    try:
        b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(text) % 4 == 0
