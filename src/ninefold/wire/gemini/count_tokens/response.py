"""Counted tokens, in both directions."""

from __future__ import annotations

import msgspec

from ninefold.wire import vendor_json
from ninefold.wire.token_count import TokenCount


class _Count(msgspec.Struct, rename="camel"):
    total_tokens: TokenCount


_decoder = msgspec.json.Decoder(_Count)


def decode(body: bytes) -> int:
    """The count in `body`. Raises: UpstreamRejected."""
    return vendor_json.read(_decoder, body, "a token count").total_tokens


def encode(input_tokens: int) -> bytes:
    """The count as one object."""
    return b'{"totalTokens":%d}' % input_tokens
