"""`/api/*` on the gateway's port, passed on to control; pages are redirected there."""

from __future__ import annotations

from urllib.parse import urlsplit

from ninefold.domain.errors import Unavailable
from ninefold.http.visit import Visit
from ninefold.ports.http_client import Deadlines, HttpClient, Origin, TransportFailed

_MAX_BODY_BYTES = 8 * 1024 * 1024
_DEADLINES = Deadlines(connect_s=2.0, first_byte_s=30.0, idle_s=30.0, total_s=60.0)
_PASSED = ("authorization", "x-api-key", "content-type", "accept", "idempotency-key", "if-match", "if-none-match")
_RETURNED = (b"content-type", b"location", b"retry-after", b"www-authenticate", b"etag", b"cache-control", b"allow")


class ControlProxy:
    """A narrow reverse proxy: known headers pass, everything else stays where it is."""

    def __init__(self, client: HttpClient, control_url: str) -> None:
        parts = urlsplit(control_url)
        self._client = client
        self._origin = Origin(host=parts.hostname or "127.0.0.1", port=parts.port or 80)
        self._url = control_url.rstrip("/")

    async def forward(self, visit: Visit) -> None:
        """Control has answered. Raises: Unavailable where it is down; the data plane goes on without it."""
        exchange = visit.exchange
        body = await exchange.body(_MAX_BODY_BYTES)
        headers = b"".join(f"{name}: {exchange.headers[name]}\r\n".encode("latin-1") for name in _PASSED if name in exchange.headers)
        headers += b"traceparent: " + visit.trace.traceparent().encode() + b"\r\n"
        target = exchange.path + ("?" + exchange.query if exchange.query else "")
        try:
            response = await self._client.send(self._origin, exchange.method.encode(), target.encode("latin-1"), headers, body, _DEADLINES)
            answer = await response.read(_MAX_BODY_BYTES)
        except TransportFailed as error:
            raise Unavailable("The control plane is not running; requests for models are not affected.", retry_after_s=1) from error
        lines = b"".join(b"%b: %b\r\n" % (name, response.headers[name]) for name in _RETURNED if name in response.headers)
        visit.status = response.status
        exchange.reply(response.status, lines + b"x-ninefold-trace-id: " + visit.trace.trace_id.encode() + b"\r\n", answer)

    def redirect(self, visit: Visit) -> None:
        """The browser goes to control's own port."""
        exchange = visit.exchange
        target = self._url + exchange.path + ("?" + exchange.query if exchange.query else "")
        visit.status = 307
        exchange.reply(307, b"location: " + target.encode("latin-1") + b"\r\n", b"")
