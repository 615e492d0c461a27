"""What all connections of one server share: its limits, its clock, its reply heads, and who is connected."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from ninefold.adapters.http1.server_known_heads import KnownHeads
from ninefold.domain.errors import NinefoldError
from ninefold.ports.exchange import Exchange

if TYPE_CHECKING:
    from ninefold.adapters.http1.server_connection import Connection
    from ninefold.adapters.http1.server_exchange import ServerExchange

Handle = Callable[[Exchange], Awaitable[None]]
RenderError = Callable[[str, NinefoldError], tuple[int, bytes, bytes]]

log = logging.getLogger("ninefold.http1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How much a client may ask of a connection, and how slowly.

    A body has `body_idle_s` for each next byte, and as a whole `body_idle_s` plus one second for every `body_min_bytes_per_s` received:
    Apache's `RequestReadTimeout body=20,MinRate=500`, which stops a trickle without setting a bound for a large honest upload.
    """

    max_head_bytes: int = 32_768
    max_headers: int = 100
    head_timeout_s: float = 10.0
    body_idle_s: float = 20.0
    body_min_bytes_per_s: int = 500
    keep_alive_s: float = 75.0
    max_connections: int = 10_000
    write_high_water_bytes: int = 65_536
    write_idle_s: float = 60.0

    def sweep_s(self) -> float:
        """How often connections are looked at: often enough for the shortest limit, once a second at most for the default ones."""
        shortest = min(self.head_timeout_s, self.body_idle_s, self.keep_alive_s, self.write_idle_s)
        return max(min(1.0, shortest / 4), 0.01)


class ServerState:
    """Deadlines are set on a clock that moves once a sweep, so that setting one costs an addition and no timer."""

    __slots__ = (
        "_date", "_quiet", "_sweep_s", "at_rest", "connections", "draining", "handle", "heads", "idle_by_s", "known_heads", "limits",
        "loop", "now_s", "render_error", "running", "stalled",
    )  # fmt: skip

    def __init__(self, handle: Handle, render_error: RenderError, limits: ServerLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.handle = handle
        self.render_error = render_error
        self.limits = limits
        self.loop = loop
        self.now_s = loop.time()
        self.draining = False
        self.connections: set[Connection] = set()
        self.stalled: set[Connection] = set()
        self.running: set[asyncio.Task[None]] = set()
        self.at_rest: list[asyncio.Future[ServerExchange]] = []  # of the tasks that wait for their next exchange
        self.known_heads = KnownHeads(limits.max_headers)
        self.idle_by_s = 0.0
        self._sweep_s = limits.sweep_s()
        self._quiet: asyncio.Future[None] | None = None
        self._date = 0
        self.heads: dict[int, bytes] = {}
        self.tick()

    def tick(self) -> None:
        """The clock is right; reply heads carry this second's date."""
        self.now_s = self.loop.time()
        self.idle_by_s = self.after(self.limits.keep_alive_s)
        second = int(time.time())
        if second != self._date:
            self._date = second
            self.heads.clear()
            self.known_heads.forget()

    def after(self, seconds: float) -> float:
        """The moment on the sweep's clock that is surely `seconds` or more from now."""
        return self.now_s + self._sweep_s + seconds

    def head(self, status: int) -> bytes:
        """The status line and the date, ready to send."""
        known = self.heads.get(status)
        if known is None:
            phrase = HTTPStatus(status).phrase if status in _STATUSES else ""
            known = f"HTTP/1.1 {status} {phrase}\r\ndate: {formatdate(self._date, usegmt=True)}\r\n".encode("ascii")
            self.heads[status] = known
        return known

    def render(self, path: str, error: NinefoldError) -> tuple[int, bytes, bytes]:
        """The error in the caller's own envelope; an empty 500 where even that failed."""
        try:
            return self.render_error(path, error)
        except Exception:  # the last boundary: a defect in the rendering must not leave a client without any answer
            log.exception("error.not_rendered")
            return 500, b"", b""

    def left(self) -> None:
        """Whoever waits for quiet hears of it when the last connection and the last handler have gone."""
        if self._quiet is not None and not self._quiet.done() and not self.connections and not self.running:
            self._quiet.set_result(None)

    async def quiet(self) -> None:
        """No connection is open and no handler runs."""
        if self.connections or self.running:
            self._quiet = self.loop.create_future()
            await self._quiet


_STATUSES = frozenset(int(status) for status in HTTPStatus)
