"""The list of models, as Anthropic writes it.

Source: docs.anthropic.com/en/api/models-list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec


def encode_list(models: Sequence[tuple[str, int]]) -> bytes:
    """All models, each an id and its creation in seconds since the epoch, on one page."""
    return msgspec.json.encode(
        {
            "data": [_model(name, created) for name, created in models],
            "has_more": False,
            "first_id": models[0][0] if models else None,
            "last_id": models[-1][0] if models else None,
        }
    )


def encode_one(name: str, created: int) -> bytes:
    """One model."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, object]:
    moment = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": moment, "lifecycle": "active"}
