"""Events as lines of JSON in segment files, written behind the event loop's back."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ninefold.domain.errors import InvalidRequest

_SEGMENT = re.compile(r"(?P<worker>[A-Za-z0-9_]+)-(?P<epoch>\d{10})-(?P<segment>\d{6})\.ndjson")


class NdjsonEventLog:
    """An `EventLog` in `folder`, one file at a time: `<worker>-<epoch>-<segment>.ndjson`, mode 0600.

    A thread writes what has gathered, `flush_s` after the first event of a group, in one write and one fsync; it sleeps while nothing
    comes. A segment that has reached `segment_bytes` is closed and never touched again. Make it after a fork, never before.
    """

    def __init__(
        self,
        folder: Path,
        *,
        worker: str,
        epoch: int,
        segment_bytes: int = 64 * 1024 * 1024,
        buffer_bytes: int = 8 * 1024 * 1024,
        flush_s: float = 0.05,
    ) -> None:
        if _SEGMENT.fullmatch(f"{worker}-{epoch:010d}-000000.ndjson") is None:
            raise InvalidRequest("a writer of events is named by letters, digits and _, and by an epoch", param="worker")
        self._folder = folder
        self._prefix = f"{worker}-{epoch:010d}"
        self._segment_bytes, self._buffer_bytes, self._flush_s = segment_bytes, buffer_bytes, flush_s
        self._pending: deque[bytes] = deque()
        # Each counter has one writer (the appending thread; whoever holds `_writing`), so neither needs a lock.
        self._taken_bytes = self._done_bytes = 0
        self._refused = self._lost = 0
        self._writing = threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._descriptor: int | None = None
        self._size = 0
        self._next_segment = 0
        self._thread = threading.Thread(target=self._write_behind, name="ninefold-events", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._refused + self._lost

    def append(self, event: bytes) -> None:
        size = len(event) + 1
        if self._taken_bytes - self._done_bytes + size > self._buffer_bytes or b"\n" in event or self._closed.is_set():
            self._refused += 1
            return
        self._taken_bytes += size
        self._pending.append(event)
        if not self._wake.is_set():
            self._wake.set()

    async def flush(self) -> None:
        await asyncio.to_thread(self._write_pending)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._closed.set()
        self._wake.set()
        self._thread.join()
        self._write_pending()
        with self._writing:
            self._end_segment()

    def _write_behind(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closed.wait(self._flush_s)
            self._write_pending()

    def _write_pending(self) -> None:
        with self._writing:
            group = [self._pending.popleft() for _ in range(len(self._pending))]
            if not group:
                return
            data = b"\n".join((*group, b""))
            try:
                self._write(data)
            except OSError:
                # A full disk, a folder that is gone: telemetry fails open, and `dropped` tells. The next group is tried anew.
                self._lost += len(group)
                self._cut_off()
            self._done_bytes += len(data)

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = self._begin_segment()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        self._size += len(data)
        if self._size >= self._segment_bytes:
            self._end_segment()

    def _begin_segment(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            path = self._folder / f"{self._prefix}-{self._next_segment:06d}.ndjson"
            self._next_segment += 1
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            except FileExistsError:
                continue  # a writer of the same name was here: its files are never written to again
            self._size = 0
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            return descriptor

    def _cut_off(self) -> None:
        """No torn line stands before the next group."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._end_segment()

    def _end_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_events(folder: Path) -> Iterator[bytes]:
    """Every event under `folder`, in the order of each writer, one after the other; writers may be at work."""
    for path in segments(folder):
        yield from read_segment(path)


def segments(folder: Path) -> tuple[Path, ...]:
    """The segment files under `folder`, by writer, epoch and number."""
    return tuple(sorted(path for path in folder.glob("*.ndjson") if _SEGMENT.fullmatch(path.name)))


def read_segment(path: Path) -> Iterator[bytes]:
    """The events of one segment. A line without its end is not an event: its writer died over it, or is still at it.

    JSON holds no NUL: a line with one is a page that a power cut kept from the disk.
    """
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and b"\0" not in line:
                yield line[:-1]
