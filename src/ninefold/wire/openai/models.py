"""The list of models, as OpenAI writes it.

Source: platform.openai.com/docs/api-reference/models.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


def encode_list(models: Sequence[tuple[str, int]]) -> bytes:
    """All models, each an id and its creation in seconds since the epoch."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created) for name, created in models]})


def encode_one(name: str, created: int) -> bytes:
    """One model."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": "ninefold"}
