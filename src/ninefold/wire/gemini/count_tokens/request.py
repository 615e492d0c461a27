"""Requests to count tokens, in both directions.

Source: ai.google.dev/api/tokens: either `contents`, or a whole `generateContentRequest`, of which everything counts.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.call import ModelCall, Wire
from ninefold.domain.chat import ChatRequest
from ninefold.wire.gemini.camel_object import CamelObject, camel
from ninefold.wire.gemini.generate import request as generate
from ninefold.wire.json_members import encode as encode_members
from ninefold.wire.json_members import members, raw

_WHOLE = "generateContentRequest"


def decode(body: bytes, model: str) -> ChatRequest:
    """The request in `body`. Raises: InvalidRequest with the path of the offending field."""
    outer = CamelObject.of_body(body)
    return generate.read(outer.object(_WHOLE) or outer, model, stream=False)


def encode(request: ChatRequest, *, model: str, wire: Wire) -> bytes:
    """The request for `model`; sampling and caps do not count and are left out. Raises: Unsupported."""
    conversation = generate.conversation(request, model=model, wire=wire)
    return msgspec.json.encode({_WHOLE: {"model": f"models/{model}"} | conversation})


def passed(call: ModelCall, model: str) -> bytes:
    """A Gemini caller's own body, with the vendor's name of the model wherever it is repeated."""
    fields = {camel(name): member for name, member in members(call.body).items()}
    fields.pop("model", None)
    inner = fields.get(_WHOLE)
    if inner is not None and bytes(inner) != b"null":
        fields[_WHOLE] = raw(members(bytes(inner)) | {"model": raw(f"models/{model}")})
    return encode_members(fields)
