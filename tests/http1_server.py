"""A real HttpServer on a real socket, and a client that reads replies without any HTTP library."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ninefold.adapters.http1.server import HttpServer, ServerLimits
from ninefold.domain.errors import InvalidRequest, NinefoldError, TooLarge, Unavailable
from ninefold.ports.exchange import Exchange

PATIENCE_S = 20.0
_STATUS = {InvalidRequest: 400, TooLarge: 413, Unavailable: 503}
GOOD = b"GET /good HTTP/1.1\r\nhost: a\r\n\r\n"


def render(path: str, error: NinefoldError) -> tuple[int, bytes, bytes]:
    body = json.dumps({"path": path, "code": error.code, "detail": error.detail}).encode()
    return _STATUS.get(type(error), 500), b"content-type: application/json\r\nx-ninefold-trace-id: t1\r\n", body


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def code(self) -> str:
        assert self.headers["x-ninefold-trace-id"] == "t1"
        return json.loads(self.body)["code"]


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, *, to_head: bool = False) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            version, status, _ = first.split(" ", 2)
            assert version == "HTTP/1.1"
            headers = dict(line.split(": ", 1) for line in lines)
            if to_head or status in {"100", "204", "304"}:
                return Reply(int(status), headers, b"")
            if "content-length" in headers:
                return Reply(int(status), headers, await self.reader.readexactly(int(headers["content-length"])))
            if headers.get("transfer-encoding") == "chunked":
                body, whole = await self._chunks()
                return Reply(int(status), headers, body, whole)
            body, whole = await self._till_end()
            return Reply(int(status), headers, body, whole)

    async def replies(self) -> tuple[list[Reply], bytes]:
        """All of them until the connection ends, and what came of one that is not whole."""
        found: list[Reply] = []
        while True:
            try:
                found.append(await self.reply())
            except asyncio.IncompleteReadError as error:
                return found, error.partial
            except ConnectionError:
                return found, b""

    async def _chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        except (asyncio.IncompleteReadError, ConnectionError):
            return bytes(body), False
        return bytes(body), True

    async def _till_end(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while data := await self.reader.read(65536):
                body += data
        except ConnectionError:
            return body, False
        return body, True

    async def ask(self, data: bytes) -> Reply:
        self.send(data)
        return await self.reply()

    async def closed(self) -> bool:
        """Waits for the end; True where nothing came before it."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    def hang_up(self, *, reset: bool = False) -> None:
        if reset:
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()


@dataclass
class Served:
    server: HttpServer
    address: tuple[str, int] | str
    faults: list[dict[str, object]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def dial(self, *, receive_bytes: int = 0) -> Client:
        if isinstance(self.address, str):
            reader, writer = await asyncio.open_unix_connection(self.address)
        else:
            sock = socket.socket()
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(sock, self.address)
            except OSError:
                sock.close()
                raise
            reader, writer = await asyncio.open_connection(sock=sock, limit=max(receive_bytes, 4096))
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    async def works(self) -> None:
        """A good request on a new connection is answered."""
        client = await self.dial()
        assert (await client.ask(GOOD)).status == 200
        client.hang_up()


@contextlib.asynccontextmanager
async def serving(
    handle: Callable[[Exchange], Awaitable[None]], limits: ServerLimits | None = None, unix: Path | None = None
) -> AsyncIterator[Served]:
    """Nothing may reach the loop's exception handler meanwhile, and nothing is left open afterwards."""
    sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    sock.bind(str(unix) if unix else ("127.0.0.1", 0))
    server = HttpServer(handle, render, limits or ServerLimits())
    served = Served(server, str(unix) if unix else sock.getsockname())
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: served.faults.append(context))
    await server.listen(sock)
    try:
        yield served
    finally:
        for client in served.clients:
            client.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            await server.drain(1.0)
    await until(lambda: server.connections == 0 and server.in_flight == 0)
    assert served.faults == []


async def until(true: Callable[[], bool]) -> None:
    """Returns as soon as it holds; fails where it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)


async def echo(exchange: Exchange) -> None:
    """Replies with what it was asked."""
    body = await exchange.body(1 << 20)
    seen = {"method": exchange.method, "path": exchange.path, "query": exchange.query, "headers": dict(exchange.headers)}
    exchange.reply(200, b"content-type: application/json\r\n", json.dumps({**seen, "body": body.decode("latin-1")}).encode())
