"""A server that says exactly the bytes it is told to, so that it can lie, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from ninefold.adapters.http1.client import Http1Client
from ninefold.adapters.http1.response import Http1Response
from ninefold.ports.http_client import Deadlines, Origin

Run = Callable[[Coroutine[Any, Any, None]], None]

# Every test of a module that has this as its `pytestmark` runs under both loops.
both_loops = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])

# Far beyond what a test takes: where a deadline is not what is tested, it must not fire.
PATIENT = Deadlines(connect_s=20, first_byte_s=20, idle_s=20, total_s=40)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(slots=True)
class Peer:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        return head, await self.reader.readexactly(length)

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> None:
        """The parts are sent, one after the other."""
        for part in parts:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    async def gone(self) -> bool:
        """Whether the client closes the connection, sending nothing more, before long."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(1), 10) == b""
        return True

    def hang_up(self) -> None:
        """A clean end of TCP."""
        self.writer.close()

    def reset(self) -> None:
        """The connection is gone."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Server:
    """What a scripted server knows of itself."""

    origin: Origin
    opened: int = 0
    requests: int = 0
    failures: list[BaseException] = field(default_factory=list)


@contextlib.asynccontextmanager
async def scripted(script: Script, *, tls: ssl.SSLContext | None = None, unix_path: str | None = None) -> AsyncIterator[Server]:
    """Runs `script` for each connection. What fails in a script fails the test; that the client went away does not."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []
    server = Server(Origin(host="127.0.0.1", port=0))

    async def play(peer: Peer) -> None:
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            peer.writer.close()
        except Exception as exc:  # noqa: BLE001 - the boundary of a script: `scripted` asserts that there was none
            server.failures.append(exc)
            peer.reset()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.opened += 1
        writers.append(writer)
        task = asyncio.get_running_loop().create_task(play(Peer(reader, writer, server.opened)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if unix_path is not None:
        listening = await asyncio.start_unix_server(connected, unix_path, ssl=tls)
        server.origin = Origin(host="localhost", port=80, unix_path=unix_path)
    else:
        listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        server.origin = Origin(host="127.0.0.1", port=listening.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)
    assert not server.failures, server.failures


@contextlib.asynccontextmanager
async def client_of(**kwargs: Any) -> AsyncIterator[Http1Client]:
    """A client that is closed afterwards, with nothing left open."""
    client = Http1Client(**kwargs)
    try:
        yield client
    finally:
        await client.close()
        assert client.stats() == {}


async def get(client: Http1Client, origin: Origin, deadlines: Deadlines = PATIENT, target: bytes = b"/") -> Http1Response:
    """The head of the answer to a plain request."""
    return await client.send(origin, b"GET", target, b"", b"", deadlines)


async def drain(response: Http1Response) -> bytes:
    """The body, chunk by chunk."""
    parts: list[bytes] = []
    while part := await response.chunk():
        parts.append(part)
    return b"".join(parts)


def answering(*parts: bytes, pause_s: float = 0.0, close: bool = False) -> Script:
    """Each request is answered with these parts."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(*parts, pause_s=pause_s)
            if close:
                peer.hang_up()
                return

    return script
