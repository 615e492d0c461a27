"""A response as its caller sees it: one object per exchange, with buffers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from ninefold.domain.errors import NinefoldError, UpstreamRejected
from ninefold.ports.http_client import TransportDeadline, TransportFailed

_ONE_READER = "a response is read by one task at a time"
_NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


class Line(Protocol):
    """What a response may ask of the connection that it comes over."""

    def resume(self) -> None:
        """Bytes are read from the peer again."""
        ...

    def conclude(self) -> None:
        """The complete response was taken: the connection is pooled again, or closed where it cannot be."""
        ...

    def fail(self, error: NinefoldError) -> None:
        """The connection is closed at once; the response ends in `error` after what has arrived."""
        ...


class Http1Response:
    """One exchange. The connection fills it; as soon as `line` is None they know nothing of each other any more.

    `next_by` is the moment by which the peer must be heard again: the head until `status` is set, then any byte. It moves on at the
    first sweep after a byte was `heard`, so that receiving costs no look at the clock.
    """

    __slots__ = (
        "_limit", "buffered", "complete", "failure", "headers", "heard", "idle_s", "line", "loop", "next_by", "paused", "pieces", "status",
        "total_by", "waiter",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, *, first_byte_by: float, idle_s: float, total_by: float) -> None:
        self.loop = loop
        self.next_by = first_byte_by
        self.idle_s = idle_s
        self.total_by = total_by
        self.line: Line | None = None
        self.status = 0
        self.headers: Mapping[bytes, bytes] = _NO_HEADERS
        self.pieces: list[bytes] = []
        self.buffered = 0
        self.complete = False
        self.heard = False
        self.paused = False
        self.failure: NinefoldError | None = None
        self.waiter: asyncio.Future[None] | None = None
        self._limit = -1

    def expect_by(self, at: float) -> None:
        self.heard = False
        self.next_by = at

    async def read(self, max_bytes: int) -> bytes:
        if not self.complete:
            declared = self.headers.get(b"content-length")
            if declared is not None and len(declared) < 20 and int(declared) > max_bytes:
                self._stop(_too_long(max_bytes))
            await self._gather(max_bytes)
        if self.failure is not None:
            raise self.failure
        if self.buffered > max_bytes:
            self.abort()
            raise _too_long(max_bytes)
        return self._take()

    async def _gather(self, max_bytes: int) -> None:
        """Nothing more will come, or more has come than is accepted."""
        self._limit = max_bytes
        while not self.complete and self.failure is None:
            if self.buffered > max_bytes:
                self._stop(_too_long(max_bytes))
                return
            if self.paused:
                self._resume()
            await self.wait()

    async def chunk(self) -> bytes:
        while not self.pieces:
            if self.failure is not None:
                raise self.failure
            if self.complete:
                return b""
            # `wait`, spelt out: a coroutine less for every event of every stream.
            if self.waiter is not None:
                raise RuntimeError(_ONE_READER)
            waiter = self.waiter = self.loop.create_future()
            try:
                await waiter
            except BaseException:
                self.waiter = None
                self.abort()
                raise
        return self._take()

    def abort(self) -> None:
        if self.line is not None:
            self.pieces.clear()
            self.buffered = 0
            self.failure = TransportFailed("The exchange was aborted before its end.", sent=True)
            self._stop(self.failure)

    async def wait(self) -> None:
        """Something has changed. A caller that is cancelled meanwhile aborts the exchange."""
        if self.waiter is not None:
            raise RuntimeError(_ONE_READER)
        waiter = self.waiter = self.loop.create_future()
        try:
            await waiter
        except BaseException:
            self.waiter = None
            self.abort()
            raise

    def arrived(self) -> None:
        """The caller goes on if there is news for it: a caller of `read` waits for the end, or for one byte too many."""
        waiter = self.waiter
        if waiter is not None and (self._limit < 0 or self.complete or self.failure is not None or self.buffered > self._limit):
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: NinefoldError | None) -> None:
        """The connection has let go: the response is complete (no `error`), or ends in `error` after what has arrived."""
        self.line = None
        if not self.complete:
            self.failure = error
        self.arrived()

    def wants_more(self) -> bool:
        """Whether bytes are taken as they come; otherwise reading may have to pause."""
        return self._limit >= 0 or self.waiter is not None

    def expire(self, now: float) -> None:
        """If a deadline has passed, the exchange has ended: the connection is closed, or, where the response was complete and nobody
        took it, given back."""
        if now >= self.total_by:
            self._stop(TransportDeadline("The upstream's whole answer did not arrive in time.", phase="total"))
            return
        if self.complete or self.paused:
            return
        if self.heard:
            self.heard = False
            if self.status:
                self.next_by = now + self.idle_s
        if now < self.next_by:
            return
        if self.status:
            self._stop(TransportDeadline("The upstream fell silent in the middle of its answer.", phase="idle"))
        else:
            self._stop(TransportDeadline("The upstream did not begin to answer in time.", phase="first_byte"))

    def _stop(self, error: NinefoldError) -> None:
        line = self.line
        if line is not None:
            if self.complete:
                line.conclude()
            else:
                line.fail(error)

    def _resume(self) -> None:
        self.paused = False
        self.heard = True
        if self.line is not None:
            self.line.resume()

    def _take(self) -> bytes:
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        if self.line is not None:
            if self.complete:
                self.line.conclude()
            elif self.paused:
                self._resume()
        return data


def _too_long(max_bytes: int) -> UpstreamRejected:
    return UpstreamRejected(f"The upstream's answer is longer than the {max_bytes} bytes that are accepted here.")
