"""The events of one stream, numbered in their order."""

from __future__ import annotations

import re

import msgspec

_encode = msgspec.json.Encoder().encode
_NUMBER = b'"sequence_number":'
_DIGITS = re.compile(rb" *(\d{1,9})")


class Events:
    """Writes events. Each says its type twice, as the protocol does: as the event's name and inside its payload."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = 0

    def head(self, kind: str) -> bytes:
        """The next event up to its type and number; more members, the closing brace and the blank line have to follow."""
        name = kind.encode()
        number, self._number = self._number, self._number + 1
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d' % (name, name, number)

    def write(self, kind: str, **members: object) -> bytes:
        """The next event."""
        return self.head(kind) + b"," + _encode(members)[1:] + b"\n\n"


def last_number(events: bytes, before: int) -> int:
    """The number of the last event in this piece of a stream; `before` is that of the piece before, for a piece that says none.

    A quote inside a JSON string is always escaped, so that only a member is found.
    """
    found = events.rfind(_NUMBER)
    match = _DIGITS.match(events, found + len(_NUMBER)) if found >= 0 else None
    return before if match is None else max(before, int(match.group(1)))
