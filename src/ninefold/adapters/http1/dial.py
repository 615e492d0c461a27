"""How a connection is made: TCP, a Unix socket or a CONNECT tunnel, with TLS on top where the origin asks for it."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from typing import cast
from urllib.parse import unquote, urlsplit

from ninefold.adapters.http1.connection import Connection
from ninefold.adapters.http1.outgoing import authority
from ninefold.ports.http_client import Origin, TransportFailed

_PROXY_HEAD_LIMIT_BYTES = 16 * 1024


class TlsContexts:
    """One verifying TLS context per set of trust anchors: loading the system's costs milliseconds."""

    def __init__(self) -> None:
        self._by_ca_file: dict[str | None, ssl.SSLContext] = {}

    def context(self, ca_file: str | None) -> ssl.SSLContext:
        """Verifies chain and host name and speaks HTTP/1.1 only. Raises: OSError where `ca_file` cannot be read or holds no certificate."""
        known = self._by_ca_file.get(ca_file)
        if known is None:
            known = ssl.create_default_context(cafile=ca_file)
            known.set_alpn_protocols(["http/1.1"])
            self._by_ca_file[ca_file] = known
        return known


class _Tunnel(asyncio.Protocol):
    """The head of the proxy's answer to CONNECT, and the proof that nothing came after it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self.answered: asyncio.Future[None] = loop.create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if b"\r\n\r\n" in self.received or len(self.received) > _PROXY_HEAD_LIMIT_BYTES:
            self._wake()

    def eof_received(self) -> None:
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._wake()

    def _wake(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)

    def require_open(self) -> None:
        """The proxy has opened the tunnel. Raises: TransportFailed."""
        refusal = self._refusal()
        if refusal is not None:
            raise TransportFailed(f"The proxy {refusal}.", sent=False)

    def _refusal(self) -> str | None:
        head, end, surplus = self.received.partition(b"\r\n\r\n")
        words = head.split(b"\r\n", 1)[0].split(None, 2)
        if not end or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            return "closed the connection or did not answer with HTTP"
        if not words[1].startswith(b"2"):
            return f"answered {words[1][:3].decode('ascii')} to CONNECT"
        return "sent bytes of its own into the tunnel" if surplus else None


async def dial(loop: asyncio.AbstractEventLoop, origin: Origin, contexts: TlsContexts, connection: Connection) -> None:
    """`connection` is open and ready for a request. Raises: TransportFailed, with `sent` False. Whatever ends it, nothing stays open."""
    try:
        if origin.unix_path is not None:
            await loop.create_unix_connection(lambda: connection, origin.unix_path)
        elif origin.proxy is not None:
            await _connect_through(loop, origin, origin.proxy, connection)
        else:
            await loop.create_connection(lambda: connection, origin.host.strip("[]"), origin.port)
        if origin.tls:
            await _secure(loop, origin, contexts, connection)
        _require_open(origin, connection)
    except TransportFailed:
        connection.abort()
        raise
    except ssl.SSLCertVerificationError as exc:
        connection.abort()
        raise TransportFailed(f"The certificate of {_name(origin)} was not accepted: {exc.verify_message}.", sent=False) from exc
    except (OSError, ValueError, RuntimeError) as exc:
        # ValueError: host names that cannot be encoded. RuntimeError: uvloop's word for a transport that closed meanwhile.
        connection.abort()
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        raise TransportFailed(f"No connection to {_name(origin)}: {reason}.", sent=False) from exc
    except BaseException:
        connection.abort()
        raise


def _require_open(origin: Origin, connection: Connection) -> asyncio.Transport:
    transport = connection.transport
    if transport is None or not connection.usable():
        raise TransportFailed(f"{_name(origin)} closed the new connection.", sent=False)
    return transport


async def _secure(loop: asyncio.AbstractEventLoop, origin: Origin, contexts: TlsContexts, connection: Connection) -> None:
    plain = _require_open(origin, connection)
    secured = await loop.start_tls(plain, connection, contexts.context(origin.ca_file), server_hostname=origin.host.strip("[]"))
    if secured is None:
        raise TransportFailed(f"{_name(origin)} closed the connection in the TLS handshake.", sent=False)
    connection.secured(secured)


async def _connect_through(loop: asyncio.AbstractEventLoop, origin: Origin, proxy: str, connection: Connection) -> None:
    host, port, credentials = _proxy_address(proxy)
    tunnel = _Tunnel(loop)
    try:
        await loop.create_connection(lambda: tunnel, host, port)
        transport = tunnel.transport
        assert transport is not None
        target = authority(origin)
        if not target.endswith(b":%d" % origin.port):
            target += b":%d" % origin.port
        transport.write(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, credentials))
        await tunnel.answered
        tunnel.require_open()
    except BaseException:
        if tunnel.transport is not None:
            tunnel.transport.abort()
        raise
    transport.set_protocol(connection)
    connection.connection_made(transport)


def _proxy_address(proxy: str) -> tuple[str, int, bytes]:
    """Host, port and the authorization line. Raises: TransportFailed, which does not repeat the address: it may hold a password."""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "http" or not host:
        raise TransportFailed("The proxy's address must have the form http://host:port or http://user:password@host:port.", sent=False)
    if parts.username is None:
        return host, port or 80, b""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return host, port or 80, b"proxy-authorization: Basic %b\r\n" % b64encode(pair.encode())


def _name(origin: Origin) -> str:
    return f"{origin.host}:{origin.port}" if origin.unix_path is None else f"{origin.host} (Unix socket)"
