"""Bytes of an event stream, cut behind their last whole event."""

from __future__ import annotations

from ninefold.domain.errors import UpstreamRejected

_MAX_EVENT_BYTES = 8 * 1024 * 1024


class WholeEvents:
    """Takes a stream as it comes, with either line end, and gives it on in whole events that end in one blank line."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """The events that are whole now, perhaps none. Raises: UpstreamRejected for an event of over 8 MiB."""
        if self._rest:
            data = self._rest + data
        if data.find(b"\r") >= 0:  # `in` costs three times as much on bytes in CPython 3.11
            # A lone CR at the end may be half of a CRLF: it waits for the rest.
            keep = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(keep)].replace(b"\r\n", b"\n") + keep
        cut = data.rfind(b"\n\n") + 2
        if cut == 1:
            if len(data) > _MAX_EVENT_BYTES:
                raise UpstreamRejected("The upstream sent an event of over 8 MiB.")
            self._rest = data
            return b""
        self._rest = data[cut:]
        return data[:cut] if self._rest else data
