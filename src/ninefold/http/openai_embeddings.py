"""`POST /v1/embeddings`."""

from __future__ import annotations

from ninefold.http import errors
from ninefold.http.serve_call import Surface
from ninefold.wire.openai.embeddings import passthrough

OPENAI_EMBEDDINGS = Surface(name="openai.embeddings", read=passthrough.read, error_event=errors.openai_event)
