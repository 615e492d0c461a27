"""How an upstream is spoken to over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.errors import DeadlineExceeded, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where to connect: a host and port, through TLS where `tls`, through a CONNECT `proxy` ("http://user:pass@host:port") where one
    is named; or a Unix socket at `unix_path`. `ca_file` replaces the system's trust anchors. Equal origins share one pool."""

    host: str
    port: int
    tls: bool = False
    unix_path: str | None = None
    proxy: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. `first_byte_s` counts from the moment the request was handed to a connection to the response's head; `idle_s` is the
    longest wait for any further byte; `total_s` bounds everything from the call of `send`."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


class TransportFailed(Unavailable):
    """The connection could not be made, or broke. `sent` tells whether the upstream may have seen the request (and may bill it)."""

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class TransportDeadline(DeadlineExceeded):
    """One of the deadlines passed; `phase` is connect, first_byte, idle or total."""

    def __init__(self, detail: str, *, phase: str) -> None:
        super().__init__(detail)
        self.phase = phase

    @property
    def sent(self) -> bool:
        """Whether the upstream may have seen the request."""
        return self.phase != "connect"


class HttpResponse(Protocol):
    """A response whose head has arrived. Exactly one of `read` and repeated `chunk` consumes it; the connection goes back to the pool
    only after the last byte of the body was parsed, and never after `abort`."""

    status: int
    headers: Mapping[bytes, bytes]

    def expect_by(self, at: float) -> None:
        """Replaces the idle deadline: the next byte must arrive before `at` (the event loop's clock)."""
        ...

    async def read(self, max_bytes: int) -> bytes:
        """The whole body. Raises: UpstreamRejected where it is longer; TransportFailed where it breaks off; TransportDeadline."""
        ...

    async def chunk(self) -> bytes:
        """The next bytes of the body, `b""` at its proper end. Raises: TransportFailed where it breaks off; TransportDeadline."""
        ...

    def abort(self) -> None:
        """The connection is closed at once, unless the body was already complete; idempotent."""
        ...


class HttpClient(Protocol):
    """Sends one request over a pooled connection.

    Laws (tests/contracts/test_http_client.py): bytes of one response never reach another caller; a cancelled or aborted exchange
    closes its connection at once; a connection with bytes left over is never reused; reading stops (TCP back-pressure) while nobody
    takes chunks; every deadline fires also when the peer accepts and says nothing.
    On failure: TransportFailed or TransportDeadline, never anything of the event loop's.
    Default: `ninefold.adapters.http1.client`.
    """

    async def send(self, origin: Origin, method: bytes, target: bytes, headers: bytes, body: bytes, deadlines: Deadlines) -> HttpResponse:
        """The head of the response. `headers` are ready lines, each ending in CRLF; Host and Content-Length are added."""
        ...

    async def close(self) -> None:
        """No connection is left open."""
        ...
