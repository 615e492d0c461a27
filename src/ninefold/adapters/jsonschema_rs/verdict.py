"""JSON Schema validation by `jsonschema-rs`, imported at the first tool call."""

from __future__ import annotations

import json
from typing import Any


def verdict(schema: str, value: object) -> str:
    """The verdict: valid, invalid, or unusable_schema where `schema` is none or refers to something outside itself."""
    import jsonschema_rs  # noqa: PLC0415 - 4 MB that a gateway without tool calls never needs

    try:
        validator = jsonschema_rs.validator_for(json.loads(schema), retriever=_refuse)
        return "valid" if validator.is_valid(value) else "invalid"
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        return "unusable_schema"


def _refuse(uri: str, /) -> Any:
    raise ValueError(f"{uri} is outside the schema, and nothing is fetched")
