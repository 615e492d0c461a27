"""One connection to an upstream: bytes in, bytes out, one exchange at a time."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ninefold.adapters.http1.outgoing import SLICE_BYTES
from ninefold.adapters.http1.response import Http1Response
from ninefold.domain.errors import NinefoldError, UpstreamRejected
from ninefold.ports.http_client import TransportFailed

# Bytes that carry no body (heads, interim responses, chunk extensions, trailers) are accepted up to this many in a row.
HEAD_LIMIT_BYTES = 64 * 1024
# Reading pauses while more than this is buffered and nobody takes it.
HIGH_WATER_BYTES = 64 * 1024

_PEER_KEEPS_FOR = re.compile(rb"timeout=(\d{1,6})", re.IGNORECASE)


class Owner(Protocol):
    """Where a connection goes when it is free, and who counts it."""

    watched: set[Http1Response]

    def released(self, connection: Connection) -> None:
        """The connection can carry the next request."""
        ...

    def lost(self, connection: Connection) -> None:
        """The connection is no more."""
        ...


class Connection(asyncio.Protocol):
    """Law: whatever arrives while no exchange waits for it closes the connection.

    `closed` is True from the moment the connection cannot carry another request. Reading is paused on the TCP transport even under TLS:
    the TLS layer would drop what it holds back where the peer closes in the meantime.
    """

    __slots__ = (
        "_barren_bytes", "_body_end", "_clean", "_head_done", "_interim", "_is_head", "_keep", "_parser", "_raw_body", "_raw_headers",
        "_rest", "_seal", "_tcp", "_transport", "_until_close", "_verdict", "_writable", "adopted", "closed", "idle_since", "idle_until",
        "keep_for_s", "on_body", "on_header", "on_message_begin", "owner", "response",
    )  # fmt: skip

    def __init__(self, owner: Owner, keep_for_s: float) -> None:
        self.owner = owner
        self.response: Http1Response | None = None
        self.closed = False
        self.adopted = False
        self.idle_since = 0.0
        self.idle_until = 0.0
        self.keep_for_s = keep_for_s
        self._tcp: asyncio.Transport | None = None
        self._transport: asyncio.Transport | None = None
        # Three of the parser's callbacks are methods of built-in types: entering Python for each header and each piece of a body costs
        # more than parsing does. Of a repeated header the last value counts.
        self._raw_headers: dict[bytes, bytes] = {}
        self.on_header = self._raw_headers.__setitem__
        self._raw_body: list[bytes] = []
        self.on_body = self._raw_body.append
        self._seal: list[bool] = []  # not empty while a message is complete and no other has begun
        self.on_message_begin = self._seal.clear
        self._head_done = False
        self._verdict: NinefoldError | None = None
        self._rest: memoryview | None = None
        self._barren_bytes = 0
        self._body_end = 0
        self._writable = True
        self._clean = True
        self._interim = False
        self._is_head = False
        self._keep = False
        self._until_close = False
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # The way out.

    def begin(self, response: Http1Response, data: bytes, body: bytes, *, is_head: bool, closing: bool) -> None:
        """The request is on its way and `response` receives the answer. `body` is what `data` does not hold yet."""
        response.line = self
        self.response = response
        self.owner.watched.add(response)
        self._raw_headers.clear()
        self._raw_body.clear()
        self._head_done = False
        self._barren_bytes = 0
        self._until_close = False
        self._keep = False
        self._is_head = is_head
        self._clean = not closing
        transport = self._transport
        assert transport is not None
        transport.write(data)
        if body:
            self._rest = memoryview(body)
            self._pump()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._rest is not None:
            self._pump()

    def _pump(self) -> None:
        transport = self._transport
        while (rest := self._rest) is not None and self._writable and transport is not None and not self.closed:
            self._rest = rest[SLICE_BYTES:] if len(rest) > SLICE_BYTES else None  # before the write, which may call resume_writing
            transport.write(rest[:SLICE_BYTES])

    # The way in.

    def data_received(self, data: bytes) -> None:
        response, parser = self.response, self._parser
        if response is None or response.complete or parser is None:
            self.fail(TransportFailed("The upstream sent more than its answer.", sent=True))
            return
        response.heard = True
        self._barren_bytes += len(data)
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._clean = False
            if not response.complete and self._verdict is None:
                self._verdict = UpstreamRejected("The upstream's answer is not HTTP/1.1.")
        body = self._raw_body
        if response.complete and len(body) > self._body_end:
            del body[self._body_end :]
        if body:
            piece = body[0] if len(body) == 1 else b"".join(body)  # one for all that came at once: chunks of one byte cost forty each
            body.clear()
            response.pieces.append(piece)
            response.buffered += len(piece)
            self._barren_bytes = 0
        if self._verdict is not None:
            self.fail(self._verdict)
        elif response.complete:
            if not response.pieces:
                self.conclude()
            elif (waiter := response.waiter) is not None:
                response.waiter = None
                if not waiter.done():
                    waiter.set_result(None)
        elif self._barren_bytes > HEAD_LIMIT_BYTES:
            self.fail(UpstreamRejected("The head of the upstream's answer is too long."))
        elif response.status:
            if response.buffered > HIGH_WATER_BYTES and not response.wants_more():
                self._pause(response)
            response.arrived()

    def on_headers_complete(self) -> None:
        response, parser = self.response, self._parser
        if response is None or parser is None or self._head_done:
            return
        status = parser.get_status_code()
        if status < 200:
            self._interim = True
            self._raw_headers.clear()
            if status == 101:
                self._verdict = UpstreamRejected("The upstream switched to another protocol.")
            return
        self._head_done = True
        headers = {name.lower(): value for name, value in self._raw_headers.items()}
        if self._barren_bytes > HEAD_LIMIT_BYTES and sum(len(n) + len(v) + 4 for n, v in headers.items()) > HEAD_LIMIT_BYTES:
            self._verdict = UpstreamRejected("The head of the upstream's answer is too long.")
            return
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked":
                self._verdict = UpstreamRejected("The upstream's answer has a transfer coding other than chunked.")
                return
        elif b"content-length" not in headers and status not in {204, 304}:
            self._until_close = True
        response.headers = headers
        response.status = status
        if self._is_head:
            # The parser cannot be told that no body follows: the connection is not used again.
            self._clean = False
            self._complete(response)

    def on_message_complete(self) -> None:
        response, parser = self.response, self._parser
        if response is None or parser is None or response.complete or self._verdict is not None:
            return
        if self._interim:
            self._interim = False
            return
        self._keep = parser.should_keep_alive()  # true only inside this callback
        self._complete(response)

    def _complete(self, response: Http1Response) -> None:
        """What was found of the body so far is all of it; what follows belongs to no one."""
        response.complete = True
        self._body_end = len(self._raw_body)
        self._seal.append(True)

    def _pause(self, response: Http1Response) -> None:
        if not response.paused and self._tcp is not None:
            response.paused = True
            self._tcp.pause_reading()

    def resume(self) -> None:
        if self._tcp is not None:
            self._tcp.resume_reading()

    # The end of an exchange.

    def conclude(self) -> None:
        response, transport = self.response, self._transport
        if response is None or transport is None:
            return
        self.response = response.line = None
        self.owner.watched.discard(response)
        if response.waiter is not None:
            response.arrived()
        clean = self._keep and self._clean and self._seal and self._rest is None
        if clean and not self.closed and not transport.is_closing() and not transport.get_write_buffer_size():
            if response.paused:
                self.resume()
            hint = response.headers.get(b"keep-alive")
            if hint is not None and (stated := _PEER_KEEPS_FOR.search(hint)) is not None:
                # A second less than the peer keeps it, so that it is not closed while a request is on its way.
                self.keep_for_s = min(self.keep_for_s, float(stated[1]) - 1.0)
            self.owner.released(self)
        else:
            self.abort()

    def fail(self, error: NinefoldError) -> None:
        response = self.response
        if response is not None:
            self._detach(response, error)
        self.abort()

    def _detach(self, response: Http1Response, error: NinefoldError | None) -> None:
        self.response = None
        self.owner.watched.discard(response)
        response.end(error)

    # The life of the connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = self._transport = cast("asyncio.Transport", transport)
        if self.closed:
            self._tcp.abort()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport that requests are written to, once there is one."""
        return self._transport

    def secured(self, transport: asyncio.Transport) -> None:
        """Requests now go through TLS."""
        self._transport = transport

    def usable(self) -> bool:
        """Whether a request can be written."""
        return not self.closed and self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """The connection is closed at once, without waiting for what was not yet written."""
        self.closed = True
        self._rest = None
        if self._tcp is not None:
            self._tcp.abort()

    def eof_received(self) -> None:
        self.closed = True
        response = self.response
        if response is not None and response.status and not response.complete and self._until_close and self._properly_ended():
            response.complete = True
        if response is None or response.complete:
            self.abort()
            if response is not None:
                self._detach(response, None)
        else:
            self.fail(_broken_off(response))

    def _properly_ended(self) -> bool:
        """Under TLS an end without close_notify may be an attacker's cut (RFC 8446, section 6.1)."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is None:
            return True
        try:
            return cast("ssl.SSLObject", tls).read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        response = self.response
        if response is not None:
            self._detach(response, _broken_off(response, exc))
        self._transport = self._tcp = self._parser = self._rest = None
        if self.adopted:
            self.owner.lost(self)


def _broken_off(response: Http1Response, cause: Exception | None = None) -> TransportFailed:
    where = "in the middle of its answer" if response.status else "before it answered"
    reason = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
    return TransportFailed(f"The upstream closed the connection {where}{reason}.", sent=True)
