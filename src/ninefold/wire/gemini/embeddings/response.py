"""Embeddings, in both directions.

Source: ai.google.dev/api/embeddings: `embedding` for one content, `embeddings` for a batch.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.embedding import EmbeddingResult
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import vendor_json
from ninefold.wire.gemini.generate.usage import ReportedUsage


class _Vector(msgspec.Struct):
    values: list[float]


class _Embeddings(msgspec.Struct, rename="camel"):
    embeddings: list[_Vector] | None = None
    embedding: _Vector | None = None
    usage_metadata: ReportedUsage | None = None


_decoder = msgspec.json.Decoder(_Embeddings)


def decode(body: bytes, *, model: str, sent_bytes: int) -> EmbeddingResult:
    """The vectors in `body`. Many models report no usage: it is then estimated from the `sent_bytes` of text. Raises: UpstreamRejected."""
    found = vendor_json.read(_decoder, body, "embeddings")
    vectors = found.embeddings if found.embedding is None else [found.embedding]
    if vectors is None:
        raise UpstreamRejected("The upstream answered without embeddings.")
    return EmbeddingResult(model=model, vectors=tuple(tuple(v.values) for v in vectors), usage=_usage(found, sent_bytes))


def usage(body: bytes, sent_bytes: int) -> Usage:
    """What `body` cost. Raises: UpstreamRejected where it is not the protocol."""
    return decode(body, model="", sent_bytes=sent_bytes).usage


def _usage(found: _Embeddings, sent_bytes: int) -> Usage:
    if found.usage_metadata is None:
        return Usage(input_tokens=(sent_bytes + 3) // 4, estimated=True)
    return Usage(input_tokens=found.usage_metadata.to_domain().input_tokens)


def encode(result: EmbeddingResult, *, batch: bool) -> bytes:
    """The vectors as one object."""
    vectors = [{"values": vector} for vector in result.vectors]
    said = {"embeddings": vectors} if batch else {"embedding": vectors[0]}
    return msgspec.json.encode(said | {"usageMetadata": {"promptTokenCount": result.usage.input_tokens}})
