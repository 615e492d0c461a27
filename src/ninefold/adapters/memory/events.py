"""Events in memory: for tests, and for a run that shall leave nothing behind."""

from __future__ import annotations

from collections import deque


class MemoryEventLog:
    """An `EventLog` that keeps at most `buffer_bytes`."""

    def __init__(self, *, buffer_bytes: int = 8 * 1024 * 1024) -> None:
        self._free_bytes = buffer_bytes
        self._events: deque[bytes] = deque()
        self._dropped = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def events(self) -> tuple[bytes, ...]:
        """Everything that was taken, in order."""
        return tuple(self._events)

    def append(self, event: bytes) -> None:
        if self._closed or len(event) + 1 > self._free_bytes or b"\n" in event:
            self._dropped += 1
            return
        self._free_bytes -= len(event) + 1
        self._events.append(event)

    async def flush(self) -> None:
        """Memory is as stable as this log gets."""

    async def close(self) -> None:
        self._closed = True
