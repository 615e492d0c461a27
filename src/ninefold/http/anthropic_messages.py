"""`POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from ninefold.domain.call import ModelCall, Operation
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.anthropic.messages import envelope

_FORWARDS = ("anthropic-version", "anthropic-beta")


def _message(sent: Sent) -> ModelCall:
    return envelope.read(sent.body, Operation.CHAT)


def _count(sent: Sent) -> ModelCall:
    return envelope.read(sent.body, Operation.COUNT_TOKENS)


ANTHROPIC_MESSAGES = Surface(
    name="anthropic.messages", read=_message, error_event=errors.anthropic_event, error_body=errors.anthropic_body, forwards=_FORWARDS
)
ANTHROPIC_COUNT_TOKENS = Surface(
    name="anthropic.count_tokens", read=_count, error_event=errors.anthropic_event, error_body=errors.anthropic_body, forwards=_FORWARDS
)
