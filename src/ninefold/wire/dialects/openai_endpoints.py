"""OpenAI's endpoints besides chat: by operation, the request to the vendor and its answer, each passed on under another model's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.wire.dialects import embedders
from ninefold.wire.dialects.dialect import Outbound
from ninefold.wire.openai.embeddings import passthrough as embeddings
from ninefold.wire.openai.embeddings import request as embed_request
from ninefold.wire.openai.embeddings import response as embed_response
from ninefold.wire.openai.media import passthrough as media
from ninefold.wire.openai.moderations import passthrough as moderations
from ninefold.wire.openai.rerank import passthrough as rerank


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint: the request for a model of the vendor's name, and its whole answer."""

    outbound: Callable[[ModelCall, str], Outbound]
    whole: Callable[[ModelCall, bytes], Whole]


def _embeddings(call: ModelCall, model: str) -> Outbound:
    if call.wire is Wire.OPENAI:
        return Outbound(target=b"/embeddings", body=embeddings.request(call, model))
    return Outbound(target=b"/embeddings", body=embed_request.encode(embedders.decode(call), model=model))


def _embedded(call: ModelCall, body: bytes) -> Whole:
    return embeddings.response(call, body) if call.wire is Wire.OPENAI else embedders.encode(call, embed_response.decode(body))


def _rerank(call: ModelCall, model: str) -> Outbound:
    return Outbound(target=b"/rerank", body=rerank.request(call, model))


def _moderations(call: ModelCall, model: str) -> Outbound:
    return Outbound(target=b"/moderations", body=moderations.request(call, model))


def _media(call: ModelCall, model: str) -> Outbound:
    body, content_type = media.request(call, model)
    return Outbound(target=call.path.encode("ascii"), body=body, content_type=content_type.encode("latin-1"))


_MEDIA = Endpoint(outbound=_media, whole=media.response)

ENDPOINTS: dict[Operation, Endpoint] = {
    Operation.EMBEDDINGS: Endpoint(outbound=_embeddings, whole=_embedded),
    Operation.RERANK: Endpoint(outbound=_rerank, whole=rerank.response),
    Operation.MODERATIONS: Endpoint(outbound=_moderations, whole=moderations.response),
    Operation.IMAGES: _MEDIA,
    Operation.TRANSCRIPTION: _MEDIA,
    Operation.SPEECH: _MEDIA,
}
