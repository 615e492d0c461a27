"""How the chunks of a stream follow each other: as server-sent events, or as the elements of one JSON array.

Source: ai.google.dev/api/generate-content#method:-models.streamgeneratecontent: `alt=sse` asks for events, without it comes an array.
"""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.wire.sse import event

EVENTS_TYPE = "text/event-stream; charset=utf-8"
ARRAY_TYPE = "application/json; charset=utf-8"
_END = b"]"


class Frames:
    """Frames one stream's chunks; `last` comes in two pieces so that a member still fits between them."""

    __slots__ = ("_array", "_begun")

    def __init__(self, *, array: bool) -> None:
        self._array = array
        self._begun = False

    def chunk(self, payload: bytes) -> bytes:
        """One chunk that others follow."""
        if not self._array:
            return event(payload)
        return self._before() + payload

    def last(self, before: bytes, after: bytes) -> tuple[bytes, bytes]:
        """The last chunk, in two pieces."""
        if not self._array:
            return b"data: " + before, after + b"\n\n"
        return self._before() + before, after + _END

    def _before(self) -> bytes:
        if self._begun:
            return b",\r\n"
        self._begun = True
        return b"["


def frames_of(call: ModelCall) -> Frames:
    """The frames that the caller of `call` expects; its path has kept the query it came with."""
    return Frames(array=not asks_for_events(call.path.partition("?")[2]))


def asks_for_events(query: str) -> bool:
    """Whether a query asks for server-sent events."""
    return "alt=sse" in query.split("&")
