"""`POST /v1/rerank`."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.openai.rerank import passthrough


def _read(sent: Sent) -> ModelCall:
    return passthrough.read(sent.body)


OPENAI_RERANK = Surface(name="openai.rerank", read=_read, error_event=errors.openai_event)
