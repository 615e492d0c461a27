"""Embeddings as InvokeModel answers them.

Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and model-parameters-embed.html.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.embedding import EmbeddingResult
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import vendor_json
from ninefold.wire.token_count import TokenCount

_Vectors = list[tuple[float, ...]]


class _ByType(msgspec.Struct):
    vectors: _Vectors = msgspec.field(name="float")


class _Answer(msgspec.Struct):
    embedding: tuple[float, ...] | None = None
    embeddings: _Vectors | _ByType | None = None
    tokens: TokenCount | None = msgspec.field(default=None, name="inputTextTokenCount")


_decoder = msgspec.json.Decoder(_Answer)


def decode(body: bytes, *, model: str, sent_bytes: int) -> EmbeddingResult:
    """The vectors in `body`. Cohere counts its tokens in no body: they are estimated from `sent_bytes`. Raises: UpstreamRejected."""
    found = vendor_json.read(_decoder, body, "embeddings of InvokeModel")
    if found.embedding is not None:
        vectors: _Vectors = [found.embedding]
    elif isinstance(found.embeddings, _ByType):
        vectors = found.embeddings.vectors
    elif found.embeddings is not None:
        vectors = found.embeddings
    else:
        raise UpstreamRejected("The upstream answered without embeddings.")
    usage = Usage(input_tokens=(sent_bytes + 3) // 4, estimated=True) if found.tokens is None else Usage(input_tokens=found.tokens)
    return EmbeddingResult(model=model, vectors=tuple(vectors), usage=usage)
