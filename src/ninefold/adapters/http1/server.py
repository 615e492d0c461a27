"""The HTTP/1.1 server of the data plane: sockets in, exchanges out, one sweep for every deadline."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from functools import partial

from ninefold.adapters.http1.server_connection import Connection
from ninefold.adapters.http1.server_state import Handle, RenderError, ServerLimits, ServerState

# A handler that was cancelled may give its resources back; one that does not end is left behind.
_LAST_WORDS_S = 1.0


class HttpServer:
    """`handle` has its task to itself; a later exchange may get the same task, so context variables must be set back. `render_error`
    gives (status, ready header lines, body) for the path, which is empty where it could not be told.
    """

    def __init__(self, handle: Handle, render_error: RenderError, limits: ServerLimits) -> None:
        self._handle = handle
        self._render_error = render_error
        self._limits = limits
        self._state: ServerState | None = None
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._state.connections) if self._state else 0

    @property
    def in_flight(self) -> int:
        """How many handlers run, those included that go on after their reply."""
        return len(self._state.running) if self._state else 0

    async def listen(self, sock: socket.socket) -> None:
        """Connections to `sock`, bound and of TCP or Unix, are served; several sockets may be served at once."""
        loop = asyncio.get_running_loop()
        state = self._state
        if state is None:
            state = self._state = ServerState(self._handle, self._render_error, self._limits, loop)
            self._sweep(state)
        if state.draining:
            raise RuntimeError("a server that was drained does not listen again")
        sock.setblocking(False)
        factory = partial(Connection, state)
        if sock.family == socket.AF_UNIX:
            # An inherited path belongs to whoever bound it.
            options = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
            server = await loop.create_unix_server(factory, sock=sock, backlog=4096, **options)
        else:
            server = await loop.create_server(factory, sock=sock, backlog=4096)
        self._servers.append(server)

    async def drain(self, within_s: float) -> int:
        """Nothing is accepted any more, what was accepted has been answered, and all connections are closed; how many had to be cut."""
        state = self._state
        if state is None:
            return 0
        # What the kernel has already accepted, and requests that have already arrived, are seen before anything closes.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        state.draining = True
        for server in self._servers:
            server.close()
        for connection in tuple(state.connections):
            connection.retire()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await state.quiet()
        cut = sum(connection.occupied for connection in state.connections)
        for connection in tuple(state.connections):
            connection.reset()
        await asyncio.sleep(0)
        if state.running:
            for task in state.running:
                task.cancel()
            await asyncio.wait(tuple(state.running), timeout=_LAST_WORDS_S)
        for waiter in state.at_rest:
            waiter.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        return cut

    def _sweep(self, state: ServerState) -> None:
        """Every connection whose deadline has passed has been told; the next sweep is set."""
        self._sweeper = state.loop.call_later(self._limits.sweep_s(), self._sweep, state)
        state.tick()
        now_s = state.now_s
        for connection in [each for each in state.connections if each.deadline_s <= now_s]:
            connection.expire()
        for connection in tuple(state.stalled):
            connection.check_stall()
