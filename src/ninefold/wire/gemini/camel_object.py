"""A Gemini caller's JSON object, whose members may be named in either spelling."""

from __future__ import annotations

import msgspec

from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_object import JsonObject


def camel(name: str) -> str:
    """`max_output_tokens` as `maxOutputTokens`; a name that is spelt so already stays."""
    if name.find("_") <= 0:
        return name
    first, *more = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in more)


class CamelObject(JsonObject):
    """`JsonObject` with every member under its camel-case name.

    Source: protobuf.dev "ProtoJSON": parsers accept the lowerCamelCase name and the original field name. Of both the camel-case one
    counts.
    """

    __slots__ = ()

    def __init__(self, raw: bytes | msgspec.Raw, path: str = "") -> None:
        super().__init__(raw, path)
        for name in [name for name in self._members if name.find("_") > 0]:
            member = self._members.pop(name)
            self._members.setdefault(camel(name), member)

    def whole_number(self, name: str, *, least: int | None = None) -> int | None:
        """A whole number, in whichever way it is written: Google's own client sends `topK` as 40.0. Raises: InvalidRequest."""
        value = self.number(name)
        if value is None:
            return None
        if not value.is_integer():
            raise InvalidRequest(f"`{self.at(name)}` must be a whole number.", param=self.at(name))
        if least is not None and value < least:
            raise InvalidRequest(f"`{self.at(name)}` must be at least {least}.", param=self.at(name))
        return int(value)
