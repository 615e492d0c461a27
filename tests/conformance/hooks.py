"""What schemathesis is told for OpenAI's own document: every request names a model that is there."""

from __future__ import annotations

import os

import schemathesis

MODEL = os.environ.get("CONFORMANCE_MODEL", "gpt-5.4")


@schemathesis.hook
def map_body(context, body):
    """`body` with the model that is there."""
    if isinstance(body, dict) and "model" in body:
        body["model"] = MODEL
    return body
