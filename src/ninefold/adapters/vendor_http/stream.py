"""One streamed answer over HTTP."""

from __future__ import annotations

import asyncio

from ninefold.domain.answer import Splice
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.ports.http_client import HttpResponse, TransportDeadline, TransportFailed
from ninefold.wire.dialects.dialect import StreamScan
from ninefold.wire.pings import PING, only_pings

_BROKE = "The upstream's connection broke before the answer was complete."


class HttpStream:
    """`Stream` over an HTTP response whose bytes a scan of `wire` reads.

    The idle deadline is one for content: comments and pings keep a connection open, and do not move it.
    """

    def __init__(self, response: HttpResponse, scan: StreamScan, idle_s: float) -> None:
        self._response = response
        self._scan = scan
        self._idle_s = idle_s
        # What is left of the idle time: pings that were passed on have used some of it up.
        self._left_s = idle_s
        self._produced = 0
        self._time = asyncio.get_running_loop().time
        self._ready = b""

    @property
    def tail(self) -> Splice:
        """See the port."""
        return self._scan.tail

    @property
    def usage(self) -> Usage:
        """See the port."""
        return self._scan.usage

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """See the port."""
        return self._scan.tool_calls

    async def begin(self, by: float) -> None:
        """The first content has arrived before `by` (the loop's clock); comments, pings and openings do not count.

        Raises: TransportDeadline of the phase first_byte.
        """
        scan = self._scan
        while not scan.started and not scan.complete:
            self._response.expect_by(by)
            self._ready += await self._read()
            if not scan.started and not scan.complete and self._time() >= by:
                raise TransportDeadline("The upstream sent nothing but signs of life.", phase="first_byte")

    async def next(self) -> bytes | None:
        """See the port."""
        ready = self._ready
        if ready:
            self._ready = b""
            return ready
        scan = self._scan
        response = self._response
        by = self._time() + self._left_s
        while not scan.complete:
            if scan.failed is not None:
                response.abort()
                raise scan.failed
            response.expect_by(by)
            try:
                # `_read`, spelt out: a coroutine less for every event.
                data = await response.chunk()
                ready = scan.feed(data) if data else self._ended()
                if ready:
                    if ready.startswith(PING):
                        self._left_s = self._left(by) if only_pings(ready) else self._idle_s
                    elif self._left_s is not self._idle_s:
                        self._left_s = self._idle_s
                    return ready
                if not scan.complete:
                    by = self._moved(by)
            except TransportFailed as error:
                response.abort()
                if scan.started:
                    raise StreamInterrupted(_BROKE) from error
                raise
            except NinefoldError:
                response.abort()
                raise
        # The vendor's last word may come before the last byte of its body; taking the rest gives the connection back to its pool.
        await self._drain()
        return None

    def abort(self) -> None:
        """See the port."""
        self._response.abort()

    def _left(self, by: float) -> float:
        """The seconds until the idle deadline. Raises: TransportDeadline of the phase idle where there are none."""
        left_s = by - self._time()
        if left_s <= 0:
            raise TransportDeadline("The upstream sent nothing but signs of life in the middle of its answer.", phase="idle")
        return left_s

    def _moved(self, by: float) -> float:
        """The idle deadline after bytes that the caller got nothing of: a later one where they held content that waits for more.

        Raises: TransportDeadline of the phase idle.
        """
        produced = self._scan.usage.output_tokens
        if produced > self._produced:
            self._produced = produced
            return self._time() + self._idle_s
        self._left(by)
        return by

    async def _read(self) -> bytes:
        try:
            data = await self._response.chunk()
        except TransportFailed as error:
            if self._scan.started:
                raise StreamInterrupted(_BROKE) from error
            raise
        return self._scan.feed(data) if data else self._ended()

    def _ended(self) -> bytes:
        self._scan.end()
        return b""

    async def _drain(self) -> None:
        self._response.expect_by(self._time() + 1.0)
        try:
            while await self._response.chunk():
                pass
        except NinefoldError:
            self._response.abort()  # the answer is complete; only the connection is lost
