"""Requests to count the tokens of a message, in both directions.

Source: docs.anthropic.com/en/api/messages-count-tokens: the members of a message's request that are part of its input.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatRequest
from ninefold.wire.anthropic.messages import request as messages
from ninefold.wire.json_object import JsonObject


def decode(body: bytes) -> ChatRequest:
    """The request in `body`. Raises: InvalidRequest with the path of the offending field."""
    request = JsonObject.of_body(body)
    return messages.read(request, request.integer("max_tokens", least=0))


def encode(request: ChatRequest, *, model: str) -> bytes:
    """The request for `model`; sampling and caps do not count and are left out. Raises: Unsupported."""
    members = messages.conversation(request, model=model, max_output_tokens=None)
    members.pop("metadata", None)
    return msgspec.json.encode(members)
