"""A caller's JSON object read member by member, so that whatever was not read is known by its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

import msgspec

from ninefold.domain.errors import InvalidRequest

_T = TypeVar("_T")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])
_INTEGER = msgspec.json.Decoder(int)
_NUMBER = msgspec.json.Decoder(float)
_FLAG = msgspec.json.Decoder(bool)
_ANY: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)
_KINDS = {ord("{"): "object", ord("["): "array", ord('"'): "string", ord("n"): "", ord("t"): "boolean", ord("f"): "boolean"}

Extra = list[tuple[str, str]]


def _decode(decoder: msgspec.json.Decoder[_T], raw: bytes | msgspec.Raw, path: str) -> _T:
    """`raw` as the decoder's type. Raises: InvalidRequest naming `path`."""
    param = path or None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        where = f"`{path}`" if path else "The request body"
        raise InvalidRequest(f"{where} has the wrong type: {str(error).split(' - at')[0]}.", param=param) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.", param=param) from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.", param=param) from None


class JsonObject:
    """One object of a request. A member that is null counts as absent.

    Reading a member takes it; `left` hands over the rest. Every reader raises InvalidRequest with the member's path as `param`.
    """

    __slots__ = ("_members", "_raw", "path")

    def __init__(self, raw: bytes | msgspec.Raw, path: str = "") -> None:
        self.path = path
        self._raw = raw
        self._members = _decode(_OBJECT, raw, path)

    @classmethod
    def of_body(cls, body: bytes) -> Self:
        """The request body as an object; text anywhere in it is known to be UTF-8 afterwards."""
        try:
            body.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("The request body is not valid UTF-8.") from None
        return cls(body)

    def at(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def kind(self, name: str) -> str:
        """The JSON type of a member that has not been taken: object, array, string, number or boolean; "" if absent or null."""
        raw = self._members.get(name)
        return "" if raw is None else _KINDS.get(bytes(raw)[0], "number")

    def _take(self, name: str, decoder: msgspec.json.Decoder[_T]) -> _T | None:
        raw = self._members.pop(name, None)
        return None if raw is None or bytes(raw) == b"null" else _decode(decoder, raw, self.at(name))

    def _need(self, name: str, value: _T | None) -> _T:
        if value is None:
            raise InvalidRequest(f"`{self.at(name)}` is missing.", param=self.at(name))
        return value

    def text(self, name: str) -> str | None:
        """A string."""
        return self._take(name, _TEXT)

    def need_text(self, name: str) -> str:
        """A string that must be there."""
        return self._need(name, self.text(name))

    def decoded(self, name: str, decoder: msgspec.json.Decoder[_T]) -> _T:
        """A value of the decoder's type that must be there."""
        return self._need(name, self._take(name, decoder))

    def texts(self, name: str) -> tuple[str, ...]:
        """A string or an array of strings."""
        if self.kind(name) == "string":
            return (self.need_text(name),)
        return tuple(self._take(name, _TEXTS) or ())

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """A whole number, not below `least`."""
        value = self._take(name, _INTEGER)
        if value is not None and least is not None and value < least:
            raise InvalidRequest(f"`{self.at(name)}` must be at least {least}.", param=self.at(name))
        return value

    def number(self, name: str) -> float | None:
        """A number."""
        return self._take(name, _NUMBER)

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        return self._take(name, _FLAG)

    def verbatim(self, name: str) -> str | None:
        """The JSON text of any value, as the caller wrote it."""
        raw = self._members.pop(name, None)
        return None if raw is None or bytes(raw) == b"null" else bytes(raw).decode()

    def need_schema(self, name: str) -> str:
        """The JSON text of an object that must be there."""
        if self.kind(name) not in {"object", ""}:
            raise InvalidRequest(f"`{self.at(name)}` must be an object.", param=self.at(name))
        return self._need(name, self.verbatim(name))

    def object(self, name: str) -> Self | None:
        """An object."""
        raw = self._members.pop(name, None)
        return None if raw is None or bytes(raw) == b"null" else type(self)(raw, self.at(name))

    def need_object(self, name: str) -> Self:
        """An object that must be there."""
        return self._need(name, self.object(name))

    def objects(self, name: str) -> list[Self]:
        """An array of objects; none where it is absent."""
        items = self._take(name, _ARRAY) or []
        path = self.at(name)
        return [type(self)(raw, f"{path}[{i}]") for i, raw in enumerate(items)]

    def need_objects(self, name: str) -> list[Self]:
        """An array of objects that must be there."""
        if not self.kind(name):
            raise InvalidRequest(f"`{self.at(name)}` is missing.", param=self.at(name))
        return self.objects(name)

    def skip(self, *names: str) -> None:
        """These members are known and mean nothing to a translation."""
        for name in names:
            self._members.pop(name, None)

    def left(self, extra: Extra, harmless: Mapping[str, Sequence[object]] | None = None) -> None:
        """Every member that nobody read stands in `extra` under its path, unless it is null or one of its `harmless` values."""
        for name, raw in self._members.items():
            text = bytes(raw).decode()
            if text == "null" or (harmless and name in harmless and _decode(_ANY, raw, self.at(name)) in harmless[name]):
                continue
            extra.append((self.at(name), text))
        self._members = {}

    def whole(self, extra: Extra) -> None:
        """The object itself stands in `extra`: the domain has no word for it."""
        extra.append((self.path, bytes(self._raw).decode()))
        self._members = {}
