"""Gemini's own schemas, a subset of OpenAPI's, as JSON Schema.

Source: ai.google.dev/api/caching#Schema: types in capitals, `nullable`, numbers of things as strings.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.errors import InvalidRequest
from ninefold.wire.gemini.camel_object import camel

_DECODER: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)
_COUNTS = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
_NESTED, _LISTS, _MAPS = {"items", "additionalProperties"}, {"anyOf"}, {"properties", "defs"}
# Hints that other vendors' schemas have no word for and that exclude no answer.
_DROPPED = {"propertyOrdering", "nullable"}
_RENAMED = {"defs": "$defs", "ref": "$ref"}
_DEEPEST = 64


def to_json_schema(text: str, path: str) -> str:
    """The same schema as JSON Schema text. Raises: InvalidRequest naming `path`."""
    try:
        found = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidRequest(f"`{path}` is not a schema.", param=path) from None
    return msgspec.json.encode(_convert(found, path, _DEEPEST)).decode()


def is_closed(schema: object) -> bool:
    """Whether every object in a JSON Schema names all its members and allows no others, as strict outputs elsewhere ask for."""
    if isinstance(schema, list):
        return all(is_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        named = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or named != set(required if isinstance(required, list) else ()):
            return False
    return all(is_closed(value) for value in schema.values())


def is_closed_text(text: str) -> bool:
    """`is_closed` of JSON Schema text."""
    return is_closed(_DECODER.decode(text))


def _convert(schema: object, path: str, deepest: int) -> object:
    if not isinstance(schema, dict):
        return schema
    if deepest == 0:
        raise InvalidRequest(f"`{path}` is nested too deeply.", param=path)
    deeper = deepest - 1
    found: dict[str, object] = {}
    given = {camel(str(name)): value for name, value in schema.items()}
    for name, value in given.items():
        if name in _DROPPED:
            continue
        if name == "type" and isinstance(value, str):
            found[name] = value.lower()
        elif name in _COUNTS and isinstance(value, str) and value.isdecimal():
            found[name] = int(value)
        elif name == "example":
            found["examples"] = [value]
        elif name in _NESTED:
            found[name] = _convert(value, path, deeper)
        elif name in _LISTS and isinstance(value, list):
            found[name] = [_convert(item, path, deeper) for item in value]
        elif name in _MAPS and isinstance(value, dict):
            found[_RENAMED.get(name, name)] = {str(key): _convert(item, path, deeper) for key, item in value.items()}
        else:
            found[_RENAMED.get(name, name)] = value
    return _nullable(found) if given.get("nullable") is True else found


def _nullable(schema: dict[str, object]) -> dict[str, object]:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    allowed = schema.get("enum")
    more: dict[str, object] = {"enum": [*allowed, None]} if isinstance(allowed, list) else {}
    return schema | {"type": [kind, "null"]} | more
