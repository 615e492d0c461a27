"""One request and the reply to it, as a handler sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ninefold.adapters.http1.server_body import RequestBody
from ninefold.adapters.http1.server_head import RequestHead
from ninefold.adapters.http1.server_state import ServerState, log
from ninefold.domain.errors import Internal, NinefoldError, TooLarge

if TYPE_CHECKING:
    from ninefold.adapters.http1.server_connection import Connection

_OPEN, _STREAMING, _DONE = range(3)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset({204, 304})
_CLOSE = b"connection: close\r\n"
_ONCE = "a reply is sent once, and finished after it was started"


class ServerExchange:
    """The port `Exchange` on a `Connection`, which it lets go of as soon as the reply is complete or the client has gone.

    A reply to HTTP/1.0 is delimited by the end of the connection, so one that is cut short resets the connection: there is no other way
    to tell. A handler that goes on after its reply is no longer cancelled when the client leaves.
    """

    __slots__ = (
        "_connection", "_expects_continue", "_head", "_incoming", "_keep", "_phase", "_silent", "_task", "headers", "method", "path",
        "peer", "query",
    )  # fmt: skip

    headers: Mapping[str, str]

    def __init__(self, head: RequestHead, incoming: bytes | RequestBody, connection: Connection) -> None:
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.headers = head.headers
        self.peer = connection.peer
        self._task: asyncio.Task[None] | None = None
        self._head = head
        self._expects_continue = head.expects_continue
        self._incoming = incoming
        self._connection: Connection | None = connection
        self._phase = _OPEN
        self._keep = False
        self._silent = head.method == "HEAD"

    async def run(self, state: ServerState, task: asyncio.Task[None]) -> None:
        """The handler has run in `task`, the current one, and the client has a reply, an error or a closed connection, whatever the
        handler did."""
        if self._connection is None:
            return
        self._task = task
        try:
            await state.handle(self)
            if self._phase != _DONE and not self.lost:
                log.error("exchange.not_answered", extra={"path": self.path})
                self.fail(Internal("The request was not answered."))
        except NinefoldError as error:
            if not self.fail(error) and not self.lost:
                log.warning("exchange.cut", extra={"path": self.path, "code": error.code})
        except asyncio.CancelledError:
            # Where the client has not gone, the server itself is being torn down.
            self.abort()
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the server: a defect in a handler must not touch other exchanges
            if not (self.lost and isinstance(error, ConnectionError)):
                log.exception("exchange.failed", extra={"path": self.path})
            self.fail(Internal("The request could not be handled."))
        finally:
            self._task = None

    async def body(self, max_bytes: int) -> bytes:
        """The whole request body. Raises: TooLarge, InvalidRequest; ConnectionError where the client has gone."""
        incoming = self._incoming
        if isinstance(incoming, bytes):
            if len(incoming) > max_bytes:
                raise TooLarge(f"The request body is longer than {max_bytes} bytes: send less.")
            return incoming
        incoming.want(max_bytes)
        if not incoming.complete:
            connection = self._attached()
            if self._expects_continue and not incoming.received and self._phase == _OPEN:
                self._expects_continue = False
                connection.send(_CONTINUE)
            connection.read_on()
        data = await incoming.whole(asyncio.get_running_loop())
        self._incoming = data
        return data

    def reply(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole reply is on its way, in one write; nothing happens where the client has gone."""
        if self._phase != _OPEN:
            raise RuntimeError(_ONCE)
        self._phase = _DONE
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        state = connection.state
        head = state.heads.get(status) or state.head(status)
        keep = self._keeps(connection)
        if keep and not self._silent and status not in _BODILESS:
            connection.send(b"%b%bcontent-length: %d\r\n\r\n%b" % (head, headers, len(body), body))
        else:
            length = b"" if status in _BODILESS else b"content-length: %d\r\n" % len(body)
            payload = b"" if self._silent or status in _BODILESS else body
            connection.send(b"%b%b%b%b\r\n%b" % (head, headers, b"" if keep else _CLOSE, length, payload))
        connection.replied(keep=keep)

    def start(self, status: int, headers: bytes) -> None:
        """The head of a streamed reply is on its way."""
        self._enter(_OPEN, _STREAMING)
        connection = self._connection
        if connection is None:
            return
        self._keep = self._keeps(connection)
        self._silent = self._silent or status in _BODILESS
        framing = b"transfer-encoding: chunked\r\n" if self._head.chunks_understood and status not in _BODILESS else b""
        connection.send(b"%b%b%b%b\r\n" % (connection.state.head(status), headers, framing, b"" if self._keep else _CLOSE))

    async def write(self, data: bytes) -> None:
        """`data` is on its way, as one chunk in one write. Raises: ConnectionError."""
        if self._phase != _STREAMING:
            raise RuntimeError("only a reply that was started and not finished can be written to")
        connection = self._attached()
        if data and not self._silent:
            connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._head.chunks_understood else data)
        if connection.write_paused:
            await connection.room()

    def finish(self) -> None:
        """The streamed reply is complete."""
        self._enter(_STREAMING, _DONE)
        connection = self._connection
        if connection is None:
            return
        if self._head.chunks_understood and not self._silent:
            connection.send(b"0\r\n\r\n")
        self._connection = None
        connection.replied(keep=self._keep and not connection.state.draining)

    def abort(self) -> None:
        """The connection is closed: what was written before is still delivered, the end of a stream never."""
        connection = self._connection
        delimited = self._head.chunks_understood or self._phase == _OPEN
        self._phase = _DONE
        if connection is not None:
            self._connection = None
            connection.cut(flush=delimited)

    def fail(self, error: NinefoldError) -> bool:
        """The error is the reply, where none was begun; otherwise the connection is closed. True where the client was told."""
        if self._phase == _OPEN:
            connection = self._connection
            if connection is not None:
                self.reply(*connection.state.render(self.path, error))
                return True
        elif self._phase == _STREAMING:
            self.abort()
        return False

    def lose(self) -> None:
        """The client has gone: a handler that has begun is cancelled, one that has not will not begin."""
        self._connection = None
        if not isinstance(self._incoming, bytes):
            self._incoming.fail(_gone())
        if self._task is not None:
            self._task.cancel()

    @property
    def lost(self) -> bool:
        """The client left before the reply was complete."""
        return self._connection is None and self._phase != _DONE

    def _keeps(self, connection: Connection) -> bool:
        incoming = self._incoming
        whole = isinstance(incoming, bytes) or incoming.complete
        return whole and self._head.keep_alive and not connection.state.draining

    def _attached(self) -> Connection:
        if self._connection is None:
            raise _gone()
        return self._connection

    def _enter(self, before: int, after: int) -> None:
        if self._phase != before:
            raise RuntimeError(_ONCE)
        self._phase = after


def _gone() -> ConnectionResetError:
    return ConnectionResetError("the client has gone")
