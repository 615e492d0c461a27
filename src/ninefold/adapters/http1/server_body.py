"""A request's body while it arrives: counted where its length is known, cut from its chunks where it is not."""

from __future__ import annotations

import asyncio

from ninefold.adapters.http1.server_chunks import ChunkCutter
from ninefold.adapters.http1.server_head import CHUNKED
from ninefold.adapters.http1.server_state import ServerLimits
from ninefold.domain.errors import InvalidRequest, NinefoldError, TooLarge


class RequestBody:
    """`complete` once the last byte is here, `error` once that cannot happen any more; `received` counts payload bytes only, so that
    chunk extensions and trailers are no progress.
    """

    __slots__ = ("_cutter", "_data", "_length", "_limit_bytes", "_moved_s", "_started_s", "_waiter", "complete", "error", "received")

    def __init__(self, length: int, now_s: float) -> None:
        self.complete = False
        self.error: NinefoldError | ConnectionError | None = None
        self.received = 0
        self._length = length
        self._limit_bytes: int | None = None
        self._data = bytearray()
        self._started_s = self._moved_s = now_s
        self._waiter: asyncio.Future[None] | None = None
        self._cutter = ChunkCutter() if length == CHUNKED else None

    @property
    def wanted(self) -> bool:
        """Somebody has said how much of it he takes."""
        return self._limit_bytes is not None

    def feed(self, data: bytes, now_s: float) -> bytes:
        """What of `data` comes after the body; nothing of a body that failed is kept."""
        if self.error is not None:
            return b""
        before = self.received
        rest = self._count(data) if self._cutter is None else self._cut(data, self._cutter)
        self.received = len(self._data)
        if self.received != before:
            self._moved_s = now_s
        if self._limit_bytes is not None and self.received > self._limit_bytes:
            self.complete = False
            self.fail(_too_large(self._limit_bytes))
        elif self.complete:
            self._wake()
        return rest

    def fail(self, error: NinefoldError | ConnectionError) -> None:
        """The body will not be complete; whoever waits for it is told why."""
        if self.complete or self.error is not None:
            return
        self.error = error
        self._data.clear()
        self._wake()

    def want(self, max_bytes: int) -> None:
        """At most `max_bytes` are taken. Raises: TooLarge where it is known to be longer, or what broke the body."""
        self._limit_bytes = max_bytes
        if max(self._length, self.received) > max_bytes:
            too_large = _too_large(max_bytes)
            self.fail(too_large)
            raise too_large
        if self.error is not None:
            raise self.error

    async def whole(self, loop: asyncio.AbstractEventLoop) -> bytes:
        """All of it. Raises: what broke it."""
        while not self.complete and self.error is None:
            self._waiter = loop.create_future()
            await self._waiter
        if self.error is not None:
            raise self.error
        return bytes(self._data)

    def due_s(self, limits: ServerLimits) -> float:
        """When it is too slow, unless more arrives."""
        as_a_whole = self._started_s + self.received / limits.body_min_bytes_per_s
        return min(as_a_whole, self._moved_s) + limits.body_idle_s

    def go_on(self, now_s: float) -> None:
        """The time in which the server did not read does not count."""
        self._started_s += now_s - self._moved_s
        self._moved_s = now_s

    def _count(self, data: bytes) -> bytes:
        missing = self._length - self.received
        self._data += data[:missing]
        self.complete = len(data) >= missing
        return data[missing:]

    def _cut(self, data: bytes, cutter: ChunkCutter) -> bytes:
        try:
            rest = cutter.cut(data, self._data)
        except InvalidRequest as error:
            self.fail(error)
            return b""
        self.complete = rest is not None
        return rest or b""

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The request body is longer than {max_bytes} bytes: send less.")
