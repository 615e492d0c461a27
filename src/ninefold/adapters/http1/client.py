"""The pooled HTTP/1.1 client that speaks to upstreams."""

from __future__ import annotations

import asyncio

from ninefold.adapters.http1.dial import TlsContexts
from ninefold.adapters.http1.outgoing import SLICE_BYTES, compose, says_close
from ninefold.adapters.http1.pool import Pool, PoolStats
from ninefold.adapters.http1.response import Http1Response
from ninefold.ports.http_client import Deadlines, Origin, TransportFailed

# Deadlines are looked at this often while anything is in flight: one timer for all exchanges instead of one for each.
_SWEEP_S = 0.025
# Equal origins come as several objects, one for each deployment and each version of the configuration.
_MOST_ORIGINS = 1_000


class Http1Client:
    """The port `HttpClient` on asyncio and llhttp. It belongs to the event loop of its first `send`."""

    def __init__(self, *, max_connections_per_origin: int = 4096, idle_keep_alive_s: float = 30.0, user_agent: bytes = b"ninefold") -> None:
        self._max_connections = max_connections_per_origin
        self._idle_keep_alive_s = idle_keep_alive_s
        self._agent_line = b"user-agent: %b\r\n" % user_agent if user_agent else b""
        self._contexts = TlsContexts()
        self._pools: dict[Origin, Pool] = {}
        # By the identity of an origin that is held here: hashing its six fields for each request costs 1 us.
        self._pools_by_id: dict[int, tuple[Origin, Pool]] = {}
        self._watched: set[Http1Response] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, origin: Origin, method: bytes, target: bytes, headers: bytes, body: bytes, deadlines: Deadlines) -> Http1Response:
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        now = loop.time()
        total_by = now + deadlines.total_s
        known = self._pools_by_id.get(id(origin))
        pool = known[1] if known is not None else self._pool_for(origin, loop)
        data = compose(pool.origin_lines, method, target, headers, body)
        connection = pool.take_idle(now)
        if connection is None:
            connection = await pool.acquire(min(now + deadlines.connect_s, total_by))
            now = loop.time()
        response = Http1Response(loop, first_byte_by=now + deadlines.first_byte_s, idle_s=deadlines.idle_s, total_by=total_by)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)
        connection.begin(
            response,
            data,
            body if len(body) > SLICE_BYTES else b"",
            is_head=method == b"HEAD",
            closing=b"onnection:" in headers and says_close(headers),
        )
        if not response.status and response.failure is None:
            waiter = response.waiter = loop.create_future()
            try:
                await waiter
            except BaseException:
                response.waiter = None
                response.abort()
                raise
        if not response.status and response.failure is not None:
            raise response.failure
        return response

    def stats(self) -> dict[Origin, PoolStats]:
        """The numbers of connections per origin, for the metrics."""
        return {origin: pool.stats() for origin, pool in self._pools.items()}

    async def close(self) -> None:
        self._closed = True
        for timer in (self._sweeper, self._reaper):
            if timer is not None:
                timer.cancel()
        self._sweeper = self._reaper = None
        pools, self._pools = self._pools, {}
        self._pools_by_id.clear()
        for pool in pools.values():
            pool.shut()
        for pool in pools.values():
            await pool.emptied()

    def _pool_for(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Pool:
        if self._closed:
            raise TransportFailed("The HTTP client is closed.", sent=False)
        pool = self._pools.get(origin)
        if pool is not None:
            if len(self._pools_by_id) >= _MOST_ORIGINS:
                self._pools_by_id.clear()
            self._pools_by_id[id(origin)] = (origin, pool)
            return pool
        pool = Pool(
            loop,
            origin,
            self._contexts,
            self._watched,
            self._agent_line,
            max_connections=self._max_connections,
            idle_keep_alive_s=self._idle_keep_alive_s,
        )
        self._pools[origin] = pool
        self._pools_by_id[id(origin)] = (origin, pool)
        if self._reaper is None:
            self._reaper = loop.call_later(self._reap_every_s, self._reap, loop)
        return pool

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for response in list(self._watched):
            response.expire(now)
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop) if self._watched else None

    @property
    def _reap_every_s(self) -> float:
        return min(max(self._idle_keep_alive_s / 4, 0.05), 5.0)

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        """Idle connections past their time are closed; the timer ends with the last pool."""
        now = loop.time()
        for origin, pool in list(self._pools.items()):
            pool.close_expired(now)
            if pool.is_unused():
                del self._pools[origin]
                self._pools_by_id.clear()
        self._reaper = loop.call_later(self._reap_every_s, self._reap, loop) if self._pools else None
