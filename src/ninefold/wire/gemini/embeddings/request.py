"""Requests to embed texts, in both directions.

Source: ai.google.dev/api/embeddings: `embedContent` has one content, `batchEmbedContents` a request for each.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.embedding import EmbeddingRequest
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import extra as extras
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.json_object import Extra

_OWN: extras.Known = {}


def decode(body: bytes, model: str) -> EmbeddingRequest:
    """The request in `body`. Raises: InvalidRequest with the path of the offending field."""
    outer = CamelObject.of_body(body)
    extra: Extra = []
    asked = outer.objects("requests") if outer.kind("requests") else [outer]
    texts: list[str] = []
    sizes: set[int | None] = set()
    for item in asked:
        texts.append(_text(item.need_object("content"), extra))
        sizes.add(item.whole_number("outputDimensionality", least=1))
        item.skip("model")
        item.left(extra, {"taskType": ("TASK_TYPE_UNSPECIFIED",)})
    outer.left(extra)
    if len(sizes) > 1:
        raise InvalidRequest("All vectors of a batch have the same size here.", param="requests[0].outputDimensionality")
    return EmbeddingRequest(model=model, texts=tuple(texts), dimensions=next(iter(sizes), None), extra=tuple(extra))


def _text(content: CamelObject, extra: Extra) -> str:
    found: list[str] = []
    for part in content.need_objects("parts"):
        found.append(part.need_text("text"))
        part.left(extra)
    content.skip("role")
    content.left(extra)
    return "".join(found)


def encode(request: EmbeddingRequest, *, model: str) -> bytes:
    """The batch for `model`. The label of a user has no place in it. Raises: Unsupported."""
    if request.token_ids:
        raise Unsupported("Gemini embeds texts, not tokens.", param="input")
    extras.write(request.extra, _OWN, harmless={}, vendor="Gemini's protocol")
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    one = {"model": f"models/{model}"} | size
    return msgspec.json.encode({"requests": [one | {"content": {"parts": [{"text": text}]}} for text in request.texts]})
