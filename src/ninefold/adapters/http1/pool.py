"""The connections to one origin: who gets which, and how many there are."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from dataclasses import dataclass

from ninefold.adapters.http1.connection import Connection
from ninefold.adapters.http1.dial import TlsContexts, dial
from ninefold.adapters.http1.outgoing import authority
from ninefold.adapters.http1.response import Http1Response
from ninefold.ports.http_client import Origin, TransportDeadline, TransportFailed

# A connection idle for longer than this is asked whether the peer has closed it before a request is written to it.
_TRUSTED_FOR_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """`open` counts every connection, being made, in use or idle; `waiting` callers wait for one to come free."""

    open: int
    idle: int
    waiting: int


class Pool:
    """Law: a connection is in one place only: with one caller, on its way to one waiter, or idle.

    The last connection that came free is used first, so that surplus ones grow old and are closed. Where all are in use, callers wait in
    the order in which they came; what comes free (a connection, or the room for one) is handed to the first of them.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        contexts: TlsContexts,
        watched: set[Http1Response],
        agent_line: bytes,
        *,
        max_connections: int,
        idle_keep_alive_s: float,
    ) -> None:
        self.origin = origin
        self.origin_lines = b" HTTP/1.1\r\nhost: %b\r\n%b" % (authority(origin), agent_line)
        self.watched = watched
        self._loop = loop
        self._contexts = contexts
        self._max_connections = max_connections
        self._idle_keep_alive_s = idle_keep_alive_s
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # in the order of their coming free
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._timers: set[asyncio.Timeout] = set()
        self._room_taken = 0
        self._closing = False
        self._empty: asyncio.Future[None] | None = None

    def take_idle(self, now: float) -> Connection | None:
        """The connection that came free last and still lives; those found dead on the way are closed."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if (
                now < connection.idle_until
                and connection.usable()
                and (now - connection.idle_since < _TRUSTED_FOR_S or _silent(connection))
            ):
                return connection
            connection.abort()
        return None

    async def acquire(self, by: float) -> Connection:
        """A live connection that nobody else has. Raises: TransportFailed, TransportDeadline (phase connect)."""
        timer = asyncio.timeout_at(by)
        self._timers.add(timer)
        try:
            async with timer:
                connection = None
                while connection is None or not connection.usable():
                    connection = await self._obtain()
                return connection
        except TimeoutError as exc:
            if self._closing:
                raise TransportFailed("The HTTP client is closed.", sent=False) from exc
            raise TransportDeadline("No connection to the upstream was made in time.", phase="connect") from exc
        finally:
            self._timers.discard(timer)

    async def _obtain(self) -> Connection:
        if self._closing:
            raise TransportFailed("The HTTP client is closed.", sent=False)
        if self._room_taken >= self._max_connections:
            given = await self._wait_in_line()
            if given is not None:
                return given
        else:
            self._room_taken += 1
        connection = Connection(self, self._idle_keep_alive_s)
        try:
            await dial(self._loop, self.origin, self._contexts, connection)
        except BaseException:
            self._free_room()
            raise
        self._connections.add(connection)
        connection.adopted = True
        return connection

    async def _wait_in_line(self) -> Connection | None:
        """A connection, or None for the room to make one."""
        turn: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(turn)
        try:
            return await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                given = turn.result()
                if given is None:
                    self._free_room()
                elif given.usable():
                    self.released(given)
            elif turn in self._waiters:
                self._waiters.remove(turn)
            raise

    def released(self, connection: Connection) -> None:
        """The connection can carry the next request."""
        if self._closing:
            connection.abort()
            return
        turn = self._next_turn()
        if turn is not None:
            turn.set_result(connection)
            return
        now = self._loop.time()
        connection.idle_since = now
        connection.idle_until = now + connection.keep_for_s
        self._idle[connection] = None

    def lost(self, connection: Connection) -> None:
        """The connection is no more."""
        self._connections.discard(connection)
        self._idle.pop(connection, None)
        self._free_room()

    def _free_room(self) -> None:
        turn = self._next_turn()
        if turn is not None:
            turn.set_result(None)
            return
        self._room_taken -= 1
        if self._room_taken == 0 and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _next_turn(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                return turn
        return None

    def close_expired(self, now: float) -> None:
        """No connection has been idle for too long."""
        for connection in [c for c in self._idle if now >= c.idle_until]:
            connection.abort()

    def is_unused(self) -> bool:
        """Whether there is neither a connection nor a caller."""
        return self._room_taken == 0 and not self._timers

    def has_idle(self) -> bool:
        """Whether a connection waits for its next request."""
        return bool(self._idle)

    def stats(self) -> PoolStats:
        """The numbers of this moment."""
        return PoolStats(open=self._room_taken, idle=len(self._idle), waiting=sum(not w.done() for w in self._waiters))

    def shut(self) -> None:
        """Every exchange and every wait fails; every connection is being closed."""
        self._closing = True
        for timer in list(self._timers):
            if not timer.expired():
                timer.reschedule(self._loop.time())
        for connection in list(self._connections):
            connection.fail(TransportFailed("The HTTP client was closed.", sent=True))

    async def emptied(self) -> None:
        """No connection is left, which is soon so after `shut`."""
        if self._room_taken:
            self._empty = self._loop.create_future()
            await self._empty


def _silent(connection: Connection) -> bool:
    """Nothing has arrived that the loop has not yet seen: what arrives on an idle connection is its end, or should not be there."""
    sock = connection.transport.get_extra_info("socket") if connection.transport is not None else None
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return not poll.poll(0)
