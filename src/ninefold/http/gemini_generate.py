"""`POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent` and `:countTokens`, and the models there are."""

from __future__ import annotations

from dataclasses import replace

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import ModelNotFound, NinefoldError
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Snapshot
from ninefold.http import errors
from ninefold.http.models import visible
from ninefold.http.serve_call import Sent, Surface
from ninefold.http.visit import Visit
from ninefold.wire.gemini import models
from ninefold.wire.gemini.generate import envelope, frames

PREFIX = envelope.PREFIX


def _read(sent: Sent) -> ModelCall:
    return envelope.read(sent.body, sent.path, sent.query)


def _element(error: NinefoldError) -> bytes:
    return b",\r\n" + errors.gemini_body(error) + b"]"


GEMINI_GENERATE = Surface(
    name="gemini.generate",
    read=_read,
    error_event=errors.gemini_event,
    error_body=errors.gemini_body,
    stream_type=frames.EVENTS_TYPE,
)
_IN_AN_ARRAY = replace(GEMINI_GENERATE, error_event=_element, stream_type=frames.ARRAY_TYPE)


def as_asked(method: str, query: str) -> Surface | None:
    """The surface with the streams that the query asks for: events with `alt=sse`, else one array. None where it is the model itself
    that is asked for."""
    if method in {"GET", "HEAD"}:
        return None
    return GEMINI_GENERATE if frames.asks_for_events(query) else _IN_AN_ARRAY


def get_gemini_models(visit: Visit, snapshot: Snapshot, who: Principal, name: str | None) -> None:
    """The models this caller may use, or one of them. Raises: ModelNotFound."""
    found = visible(snapshot, who)
    if name is None:
        body = models.encode_list(found)
    else:
        one = next(((model, created) for model, created in found if model == name), None)
        if one is None:
            raise ModelNotFound(f"There is no model {name!r} for this key; GET /v1beta/models lists those there are.", param="model")
        body = models.encode_one(*one)
    visit.status = 200
    visit.exchange.reply(200, visit.headers("application/json"), body)
