"""Embedding requests, in both directions.

Source: platform.openai.com/docs/api-reference/embeddings/create.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.embedding import EmbeddingRequest
from ninefold.domain.errors import InvalidRequest
from ninefold.wire import extra as extras
from ninefold.wire.json_object import Extra, JsonObject

_INPUT = msgspec.json.Decoder(str | list[str | int | list[int]])
_OWN: extras.Known = {}
_Input = str | list[str | int | list[int]]


def decode(body: bytes) -> EmbeddingRequest:
    """The request in `body`. Raises: InvalidRequest with the path of the offending field, for malformed JSON too."""
    request = JsonObject.of_body(body)
    extra: Extra = []
    model = request.need_text("model")
    texts, token_ids = _read_input(request)
    encoding = request.text("encoding_format") or "float"
    if encoding not in {"float", "base64"}:
        raise InvalidRequest("`encoding_format` is `float` or `base64`.", param="encoding_format")
    dimensions = request.integer("dimensions", least=1)
    user = request.text("user")
    request.skip("metadata")
    request.left(extra)
    return EmbeddingRequest(
        model=model,
        texts=texts,
        token_ids=token_ids,
        dimensions=dimensions,
        encoding=encoding,
        user=user,
        extra=tuple(extra),
    )


def _read_input(request: JsonObject) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The texts, or the token ids; `input` is one of either or an array of them."""
    kind = request.kind("input")
    if not kind:
        raise InvalidRequest("`input` is missing.", param="input")
    value: _Input = request.decoded("input", _INPUT)
    if isinstance(value, str):
        return (value,), ()
    if not value:
        raise InvalidRequest("`input` is empty.", param="input")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) == len(value):
        return texts, ()
    tokens = tuple(item for item in value if isinstance(item, int))
    if len(tokens) == len(value):
        return (), (tokens,)
    lists = tuple(tuple(item) for item in value if isinstance(item, list))
    if len(lists) == len(value):
        return (), lists
    raise InvalidRequest("`input` mixes texts and tokens.", param="input")


def encode(request: EmbeddingRequest, *, model: str) -> bytes:
    """The request for `model`. Raises: Unsupported for members that the domain has no word for."""
    members: dict[str, object] = {"model": model, "input": request.texts or request.token_ids, "encoding_format": request.encoding}
    if request.dimensions is not None:
        members["dimensions"] = request.dimensions
    if request.user is not None:
        members["user"] = request.user
    members.update(extras.write(request.extra, _OWN, harmless={}, vendor="OpenAI's protocol"))
    return msgspec.json.encode(members)
