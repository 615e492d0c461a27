"""Counted tokens, in both directions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ninefold.wire import vendor_json


class _Count(msgspec.Struct):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


_decoder = msgspec.json.Decoder(_Count)


def decode(body: bytes) -> int:
    """The count in `body`. Raises: UpstreamRejected."""
    return vendor_json.read(_decoder, body, "a token count").input_tokens


def encode(input_tokens: int) -> bytes:
    """The count as one object."""
    return b'{"input_tokens":%d}' % input_tokens
