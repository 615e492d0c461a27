"""`POST /v1/chat/completions`."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.openai.chat import envelope


def _read(sent: Sent) -> ModelCall:
    return envelope.read(sent.body)


OPENAI_CHAT = Surface(name="openai.chat", read=_read, error_event=errors.openai_event)
