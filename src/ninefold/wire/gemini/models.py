"""The list of models, as Google writes it.

Source: ai.google.dev/api/models.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def encode_list(models: Sequence[tuple[str, int]]) -> bytes:
    """All models, each an id and its creation (which has no place here), on one page."""
    return msgspec.json.encode({"models": [_model(name) for name, _ in models]})


def encode_one(name: str, created: int) -> bytes:
    """One model."""
    del created
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, object]:
    # `version` is required by the vendor's own schema; a name of ours has one version.
    return {"name": f"models/{name}", "version": "1", "displayName": name, "supportedGenerationMethods": _METHODS}
