"""`POST /v1/chat/completions`."""

from __future__ import annotations

from ninefold.http import errors
from ninefold.http.serve_call import Surface
from ninefold.wire.openai.chat import envelope

OPENAI_CHAT = Surface(name="openai.chat", read=envelope.read, error_event=errors.openai_event)
