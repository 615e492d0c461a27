"""The schema of an answer, for vendors that take nothing beside it."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import OutputFormat
from ninefold.domain.errors import Unsupported
from ninefold.wire.json_members import encode

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def described(output: OutputFormat) -> bytes:
    """The schema with the format's description in its own keyword for it: untouched where there is no description or the same one.

    Raises: Unsupported where the schema has another description already, or is no object.
    Source: json-schema.org/draft/2020-12/json-schema-validation §9.1: `description` explains and asserts nothing.
    """
    schema = (output.schema or "{}").encode()
    if not output.description:
        return schema
    try:
        members = _object.decode(schema)
        own: object = msgspec.json.decode(members.get("description", b"null"))
    except msgspec.MsgspecError:
        raise _unsupported() from None
    if own == output.description:
        return schema
    if own is not None:
        raise _unsupported()
    return encode({"description": output.description, **members})


def _unsupported() -> Unsupported:
    return Unsupported(
        "This vendor takes no description beside a schema, and the schema has another one; make them the same or leave one out.",
        param="response_format.json_schema.description",
    )
