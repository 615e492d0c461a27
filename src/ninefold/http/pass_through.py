"""`/passthrough/{model}/{path}`: a vendor's own endpoint, under our enforcement."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.passthrough import request

PREFIX = "/passthrough/"
# What a vendor may be told besides the body: never a credential, and nothing that belongs to one connection.
_FORWARDS = ("accept", "anthropic-version", "anthropic-beta", "openai-beta", "range", "if-match", "if-none-match")


def _read(sent: Sent) -> ModelCall:
    return request.read(
        method=sent.method, path=sent.path.removeprefix(PREFIX), query=sent.query, content_type=sent.content_type, body=sent.body
    )


PASS_THROUGH = Surface(
    name="passthrough",
    read=_read,
    error_event=errors.openai_event,
    forwards=_FORWARDS,
    methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
)
