"""Server-sent events, read from bytes cut anywhere and written one at a time.

Source: WHATWG HTML, "Server-sent events", §9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from ninefold.domain.errors import UpstreamRejected

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventReader:
    """Turns a stream's bytes into events; `id` and `retry` are read over, as nobody here reconnects.

    An event that no blank line ended is never given out: whoever sent it was cut off.
    """

    __slots__ = ("_data", "_data_bytes", "_first", "_max_event_bytes", "_name", "_skip_lf", "_tail")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._first = True
        self._skip_lf = False

    @property
    def pending(self) -> bool:
        """Whether the stream stands inside an event."""
        return bool(self._tail or self._data or self._name)

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that `data` completed, as (name or "", payload).

        Raises: UpstreamRejected once one event is longer than `max_event_bytes`.
        """
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in data:
            self._tail += data
            self._check(len(self._tail))
            return []
        lines = data.split(b"\n")
        if self._tail:
            lines[0] = bytes(self._tail) + lines[0]
        self._tail = bytearray(lines.pop())
        events: list[tuple[str, bytes]] = []
        for line in lines:
            self._read(line, events)
        self._check(len(self._tail))
        return events

    def _check(self, more_bytes: int) -> None:
        if self._data_bytes + more_bytes > self._max_event_bytes:
            raise UpstreamRejected(f"The upstream sent an event of more than {self._max_event_bytes} bytes.")

    def _read(self, line: bytes, events: list[tuple[str, bytes]]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                self._data = []
                self._data_bytes = 0
            self._name = ""
            return
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._check(len(value) + 1)
            self._data.append(value)
            self._data_bytes += len(value) + 1
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")


def event(data: bytes, name: str = "") -> bytes:
    """One event on the wire; line ends inside `data` become lines of their own."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + data + b"\n\n"
