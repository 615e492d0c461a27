"""One streamed answer over HTTP."""

from __future__ import annotations

import asyncio

from ninefold.domain.answer import Splice
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.ports.http_client import HttpResponse, TransportFailed
from ninefold.wire.dialects.dialect import StreamScan


class HttpStream:
    """`Stream` over an HTTP response whose bytes a scan of `wire` reads."""

    def __init__(self, response: HttpResponse, scan: StreamScan, idle_s: float) -> None:
        self._response = response
        self._scan = scan
        self._idle_s = idle_s
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
        """The first content has arrived before `by` (the loop's clock); comments, pings and openings do not count."""
        while not self._scan.started and not self._scan.complete:
            self._response.expect_by(by)
            self._ready += await self._read()

    async def next(self) -> bytes | None:
        """See the port."""
        ready = self._ready
        if ready:
            self._ready = b""
            return ready
        scan = self._scan
        response = self._response
        while not scan.complete:
            response.expect_by(self._time() + self._idle_s)
            try:
                ready = await self._read()
            except NinefoldError:
                response.abort()
                raise
            if ready:
                return ready
        # The vendor's last word may come before the last byte of its body; taking the rest gives the connection back to its pool.
        await self._drain()
        return None

    def abort(self) -> None:
        """See the port."""
        self._response.abort()

    async def _read(self) -> bytes:
        try:
            data = await self._response.chunk()
        except TransportFailed as error:
            if self._scan.started:
                raise StreamInterrupted("The upstream's connection broke before the answer was complete.") from error
            raise
        if not data:
            self._scan.end()
            return b""
        return self._scan.feed(data)

    async def _drain(self) -> None:
        self._response.expect_by(self._time() + 1.0)
        try:
            while await self._response.chunk():
                pass
        except NinefoldError:
            self._response.abort()  # the answer is complete; only the connection is lost
