"""OpenAI's endpoints besides chat: by operation, the request to the vendor and its answer, each passed on under another model's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation
from ninefold.wire.dialects.dialect import Outbound
from ninefold.wire.openai.embeddings import passthrough as embeddings
from ninefold.wire.openai.media import passthrough as media
from ninefold.wire.openai.moderations import passthrough as moderations
from ninefold.wire.openai.rerank import passthrough as rerank


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint: the request for a model of the vendor's name, and its whole answer."""

    outbound: Callable[[ModelCall, str], Outbound]
    whole: Callable[[ModelCall, bytes], Whole]


def _embeddings(call: ModelCall, model: str) -> Outbound:
    return Outbound(target=b"/embeddings", body=embeddings.request(call, model))


def _rerank(call: ModelCall, model: str) -> Outbound:
    return Outbound(target=b"/rerank", body=rerank.request(call, model))


def _moderations(call: ModelCall, model: str) -> Outbound:
    return Outbound(target=b"/moderations", body=moderations.request(call, model))


def _media(call: ModelCall, model: str) -> Outbound:
    body, content_type = media.request(call, model)
    return Outbound(target=call.path.encode("ascii"), body=body, content_type=content_type.encode("latin-1"))


_MEDIA = Endpoint(outbound=_media, whole=media.response)

ENDPOINTS: dict[Operation, Endpoint] = {
    Operation.EMBEDDINGS: Endpoint(outbound=_embeddings, whole=embeddings.response),
    Operation.RERANK: Endpoint(outbound=_rerank, whole=rerank.response),
    Operation.MODERATIONS: Endpoint(outbound=_moderations, whole=moderations.response),
    Operation.IMAGES: _MEDIA,
    Operation.TRANSCRIPTION: _MEDIA,
    Operation.SPEECH: _MEDIA,
}
