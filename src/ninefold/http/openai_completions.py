"""`POST /v1/completions`, the protocol before chat."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.openai.completions import envelope


def _read(sent: Sent) -> ModelCall:
    return envelope.read(sent.body)


OPENAI_COMPLETIONS = Surface(name="openai.completions", read=_read, error_event=errors.openai_event)
