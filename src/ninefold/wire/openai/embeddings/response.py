"""Embeddings, in both directions.

Source: platform.openai.com/docs/api-reference/embeddings/object; base64 is little-endian float32.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode

import msgspec

from ninefold.domain.embedding import EmbeddingResult
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import vendor_json
from ninefold.wire.token_count import TokenCount


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: TokenCount = 0


class _Embeddings(msgspec.Struct):
    data: list[_Vector]
    model: str | None = None
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Embeddings)


def decode(body: bytes) -> EmbeddingResult:
    """The vectors in `body`, in the order of the texts. Raises: UpstreamRejected."""
    found = vendor_json.read(_decoder, body, "a list of embeddings")
    ordered = sorted(found.data, key=lambda vector: vector.index)
    if [vector.index for vector in ordered] != list(range(len(ordered))):
        raise UpstreamRejected("The upstream's embeddings are not numbered from 0 without gaps.")
    vectors = tuple(_floats(vector.embedding) for vector in ordered)
    usage = Usage(input_tokens=found.usage.prompt_tokens if found.usage else 0)
    return EmbeddingResult(model=found.model or "", vectors=vectors, usage=usage)


def _floats(value: list[float] | str) -> tuple[float, ...]:
    if not isinstance(value, str):
        return tuple(value)
    try:
        data = b64decode(value, validate=True)
        return struct.unpack(f"<{len(data) // 4}f", data)
    except (ValueError, struct.error):
        raise UpstreamRejected("The upstream sent an embedding that is not base64 of float32.") from None


def encode(result: EmbeddingResult, *, model: str, encoding: str) -> bytes:
    """The vectors as one object; `encoding` is "float" or "base64"."""
    data = [{"object": "embedding", "index": index, "embedding": _written(v, encoding)} for index, v in enumerate(result.vectors)]
    tokens = result.usage.input_tokens
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


def _written(vector: tuple[float, ...], encoding: str) -> object:
    return vector if encoding == "float" else b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
