"""One client's connection: heads are parsed one at a time, in order, and each gets its handler's task."""

from __future__ import annotations

import asyncio
import math
import re
import socket
import struct
from contextlib import suppress
from typing import Final, cast

from ninefold.adapters.http1.server_body import RequestBody
from ninefold.adapters.http1.server_exchange import ServerExchange
from ninefold.adapters.http1.server_head import HeadProbe, path_of
from ninefold.adapters.http1.server_state import ServerState
from ninefold.adapters.http1.server_worker import start
from ninefold.domain.errors import InvalidRequest, NinefoldError, Unavailable

# Where the connection stands. FRESH has not sent a byte yet; LINGER has its last reply and reads on, unheard, so that the kernel does
# not reset what the client has yet to read (RFC 9112 section 9.6); CLOSING waits for its last bytes to be taken.
FRESH, IDLE, HEAD, BODY, BUSY, LINGER, CLOSING = range(7)

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 16 * 1024 * 1024
# What is read of a body before its handler asks for it, and of requests that wait for their turn.
READ_AHEAD_BYTES: Final = 256 * 1024
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_RESET = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """The end of the client's side counts as its leaving, as in nginx and Go: a socket that was closed and one that was closed for
    sending only look the same, and an upstream that works for nobody costs money. Only a request that is still arriving is answered.
    """

    __slots__ = (
        "_body", "_ended", "_exchange", "_lingered_bytes", "_partial", "_pending", "_phase", "_probe", "_reading", "_stall_bytes",
        "_stall_s", "_transport", "_writers", "deadline_s", "peer", "send", "state", "write_paused",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self.peer = ""
        self.deadline_s = math.inf
        self.write_paused = False
        self._phase = FRESH
        self._exchange: ServerExchange | None = None
        self._body: RequestBody | None = None
        self._partial: bytearray | None = None
        self._probe: HeadProbe | None = None
        self._pending = b""
        self._reading = True
        self._ended = False
        self._writers: list[asyncio.Future[None]] = []
        self._stall_bytes = 0
        self._stall_s = math.inf
        self._lingered_bytes = 0

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is counted, or turned away where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self.send = self._transport.write
        state = self.state
        limits = state.limits
        crowded = len(state.connections) >= limits.max_connections
        state.connections.add(self)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) and name else "unix"
        self._transport.set_write_buffer_limits(high=limits.write_high_water_bytes)
        self.deadline_s = state.after(limits.head_timeout_s)
        if crowded:
            self._say(Unavailable("The server has all the connections that it can serve: try again shortly.", retry_after_s=1.0), "")
            self._close()

    def data_received(self, data: bytes) -> None:
        """The bytes are parsed, kept for their turn, or dropped, as the phase says."""
        phase = self._phase
        if phase <= IDLE and not self._pending and not self.write_paused:
            self._take(data)
        elif phase == HEAD:
            self._collect(data)
        elif phase == BODY:
            self._feed(data)
        elif phase == LINGER:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > LINGER_BYTES:
                self._transport.abort()
        elif phase != CLOSING:
            self._pending += data
            if len(self._pending) > READ_AHEAD_BYTES:
                self._pause()

    def eof_received(self) -> bool:
        """The client sends no more. True keeps the connection open for the refusal of a request that broke off."""
        self._ended = True
        if self._phase == HEAD:
            self._refuse(InvalidRequest("The request ended in the middle of its head."), self._so_far())
            return True
        if self._phase == BODY and self._body is not None:
            self._body.fail(InvalidRequest("The request body ended before it was complete."))
            self.deadline_s = math.inf
            return True
        self._let_go()
        self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The handler is cancelled; nothing of the connection is left in the server's books."""
        self._phase = CLOSING
        self.deadline_s = math.inf
        self._pending = b""
        self._let_go()
        self.state.connections.discard(self)
        self.state.stalled.discard(self)
        self.state.left()

    def pause_writing(self) -> None:
        """The client reads too slowly: who writes waits, and the sweep watches."""
        self.write_paused = True
        self._stall_bytes = self._transport.get_write_buffer_size()
        self._stall_s = self.state.after(self.state.limits.write_idle_s)
        self.state.stalled.add(self)

    def resume_writing(self) -> None:
        """There is room again."""
        self.write_paused = False
        self.state.stalled.discard(self)
        self._wake_writers()
        if self._pending:
            self._next()

    # -- the exchange's side

    async def room(self) -> None:
        """The client has taken enough for more to be written. Raises: ConnectionError."""
        while self.write_paused and self._phase != CLOSING:
            waiter = self.state.loop.create_future()
            self._writers.append(waiter)
            await waiter
        if self._phase == CLOSING:
            raise ConnectionResetError("the client has gone")

    def read_on(self) -> None:
        """The body's handler wants the rest of it."""
        if not self._reading and self._body is not None:
            self._body.go_on(self.state.now_s)
            self._resume()
            self._watch_body(self._body)

    def replied(self, *, keep: bool) -> None:
        """The reply is complete; the next request may come."""
        self._exchange = None
        if not keep:
            self._end(unread=self._phase != BUSY or bool(self._pending))
            return
        self._phase = IDLE
        self.deadline_s = self.state.idle_by_s
        if self._pending:
            self.state.loop.call_soon(self._next)

    def cut(self, *, flush: bool) -> None:
        """The connection ends at once, visibly in the middle."""
        self._exchange = None
        if flush:
            self._close()
        else:
            self.reset()

    def reset(self) -> None:
        """The connection is no more, and the client can tell that this was no clean end."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # -- the server's side

    @property
    def occupied(self) -> bool:
        """A request is being received, handled or answered."""
        return self._phase in {HEAD, BODY, BUSY}

    def retire(self) -> None:
        """An idle connection closes; another one will after its reply."""
        if self._phase == IDLE and not self._pending:
            self._close()

    def expire(self) -> None:
        """What was due has not come: the client is told where it was in the middle of something, and the connection closes."""
        state = self.state
        phase = self._phase
        if phase == HEAD:
            self._refuse(InvalidRequest("The request's head took too long to arrive."), self._so_far())
        elif phase == BODY and self._body is not None:
            due_s = self._body.due_s(state.limits)
            if due_s > state.now_s:
                self.deadline_s = state.after(due_s - state.now_s)
                return
            self.deadline_s = math.inf
            self._body.fail(InvalidRequest("The request's body took too long to arrive."))
        elif phase <= IDLE:
            self._close()
        elif phase >= LINGER:
            self._hurry()

    def check_stall(self) -> None:
        """A client that has taken nothing for `write_idle_s` is cut off."""
        left = self._transport.get_write_buffer_size()
        if left < self._stall_bytes:
            self._stall_bytes = left
            self._stall_s = self.state.after(self.state.limits.write_idle_s)
        else:
            self._stall_bytes = left
            if self.state.now_s >= self._stall_s:
                self.reset()

    # -- requests

    def _take(self, data: bytes) -> None:
        """Each request in `data` that can be answered now has its handler; the rest is kept."""
        if data.startswith(b"\r\n"):
            # Empty lines before a request are ignored (RFC 9112 section 2.2); they are no progress either.
            found = _EMPTY_LINES.match(data)
            assert found is not None
            data = data[found.end() :]
            if not data:
                return
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._collect(data)
            return
        state = self.state
        if end > state.limits.max_head_bytes:
            self._refuse(InvalidRequest(f"The request's head is longer than {state.limits.max_head_bytes} bytes: send less."), data)
            return
        try:
            head = state.known_heads.read(data[:end])
        except InvalidRequest as error:
            self._refuse(error, data)
            return
        rest = data[end:]
        if 0 <= head.length <= len(rest):
            self._pending = rest[head.length :]
            self._phase = BUSY
            self.deadline_s = math.inf
            self._exchange = exchange = ServerExchange(head, rest[: head.length], self)
            start(state, exchange)
        else:
            self._body = body = RequestBody(head.length, state.now_s)
            self._phase = BODY
            self._exchange = exchange = ServerExchange(head, body, self)
            start(state, exchange)
            self._watch_body(body)
            if rest:
                self._feed(rest)

    def _collect(self, data: bytes) -> None:
        """A head that comes in pieces grows, and is refused as soon as it cannot become valid."""
        partial = self._partial
        if partial is None or self._probe is None:
            self._partial = partial = bytearray()
            self._probe = HeadProbe()
            if self._phase != HEAD:
                self._phase = HEAD
                self.deadline_s = self.state.after(self.state.limits.head_timeout_s)
        start = max(len(partial) - 3, 0)
        partial += data
        if partial.find(b"\r\n\r\n", start) >= 0:
            self._partial = self._probe = None
            self._take(bytes(partial))
        elif len(partial) > self.state.limits.max_head_bytes:
            limit = self.state.limits.max_head_bytes
            self._refuse(InvalidRequest(f"The request's head is longer than {limit} bytes: send less."), bytes(partial))
        else:
            try:
                self._probe.feed(data)
            except InvalidRequest as error:
                self._refuse(error, bytes(partial))

    def _feed(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        rest = body.feed(data, self.state.now_s)
        if body.complete:
            self._body = None
            self._phase = BUSY
            self.deadline_s = math.inf
            self._pending = rest
        elif not body.wanted and body.received > READ_AHEAD_BYTES:
            self.deadline_s = math.inf
            self._pause()

    def _watch_body(self, body: RequestBody) -> None:
        self.deadline_s = self.state.after(body.due_s(self.state.limits) - self.state.now_s)

    def _next(self) -> None:
        """The next pipelined request has its turn."""
        if self._phase != IDLE or self.write_paused or not self._pending:
            return
        data, self._pending = self._pending, b""
        self._take(data)
        if not self._reading and self._has_room():
            self._resume()

    def _has_room(self) -> bool:
        if self._body is not None:
            return self._body.wanted or self._body.received <= READ_AHEAD_BYTES
        return len(self._pending) <= READ_AHEAD_BYTES // 2

    # -- ends

    def _refuse(self, error: NinefoldError, head: bytes) -> None:
        self._partial = self._probe = None
        self._say(error, path_of(head))
        self._end(unread=True)

    def _say(self, error: NinefoldError, path: str) -> None:
        status, headers, body = self.state.render(path, error)
        content = b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
        self.send(self.state.head(status) + headers + content)

    def _end(self, *, unread: bool) -> None:
        """The connection closes once the client has what was sent; what it still sends is read and dropped for a while."""
        if self._ended or not unread:
            self._close()
            return
        self._phase = LINGER
        self._body = None
        self._pending = b""
        self.deadline_s = self.state.after(LINGER_S)
        self._stall_bytes = self._transport.get_write_buffer_size()
        self._resume()
        with suppress(OSError):  # the client may have reset the connection already
            self._transport.write_eof()

    def _close(self) -> None:
        self._phase = CLOSING
        self._body = None
        self._pending = b""
        self.deadline_s = self.state.after(self.state.limits.write_idle_s)
        self._stall_bytes = self._transport.get_write_buffer_size()
        self._transport.close()

    def _hurry(self) -> None:
        """A client that still takes its last bytes may go on; any other is cut off."""
        left = self._transport.get_write_buffer_size()
        if 0 < left < self._stall_bytes:
            self._stall_bytes = left
            self.deadline_s = self.state.after(self.state.limits.write_idle_s)
        else:
            self.reset()

    def _let_go(self) -> None:
        exchange = self._exchange
        self._exchange = self._body = None
        if exchange is not None:
            exchange.lose()
        self._wake_writers()

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for waiter in writers:
            if not waiter.done():
                waiter.set_result(None)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _so_far(self) -> bytes:
        return bytes(self._partial or b"")
