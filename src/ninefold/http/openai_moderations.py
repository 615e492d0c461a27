"""`POST /v1/moderations`."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.openai.moderations import passthrough


def _read(sent: Sent) -> ModelCall:
    return passthrough.read(sent.body)


OPENAI_MODERATIONS = Surface(name="openai.moderations", read=_read, error_event=errors.openai_event)
