"""Every deadline fires although the peer accepts and then says nothing, and the connection is closed by it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
import trustme

from ninefold.adapters.http1.client import Http1Client
from ninefold.ports.http_client import Deadlines, Origin, TransportDeadline

from .scripted import OK, PATIENT, Peer, Run, Script, both_loops, client_of, drain, get, scripted

pytestmark = both_loops

HEAD = b"HTTP/1.1 200 OK\r\n"
CONNECT = Deadlines(connect_s=0.15, first_byte_s=20, idle_s=20, total_s=40)
FIRST_BYTE = Deadlines(connect_s=20, first_byte_s=0.15, idle_s=20, total_s=40)
IDLE = Deadlines(connect_s=20, first_byte_s=20, idle_s=0.15, total_s=40)
TOTAL = Deadlines(connect_s=20, first_byte_s=20, idle_s=20, total_s=0.3)


async def expect(client: Http1Client, origin: Origin, deadlines: Deadlines, phase: str, body: bytes = b"") -> None:
    """The exchange ends by this deadline, at its head or in its body."""

    async def exchange() -> None:
        await drain(await client.send(origin, b"POST", b"/", b"", body, deadlines))

    with pytest.raises(TransportDeadline) as caught:
        await exchange()
    assert caught.value.phase == phase
    assert caught.value.sent == (phase != "connect")


def saying(*parts: bytes, closed: asyncio.Event) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(*parts)
        assert await peer.gone()
        closed.set()

    return script


@pytest.mark.parametrize(
    ("deadlines", "phase", "parts"),
    [
        (FIRST_BYTE, "first_byte", ()),
        (FIRST_BYTE, "first_byte", (HEAD + b"x-a: 1\r\nx-",)),
        (FIRST_BYTE, "first_byte", (b"HTTP/1.1 100 Continue\r\n\r\n",)),
        (IDLE, "idle", (HEAD + b"content-length: 10\r\n\r\n",)),
        (IDLE, "idle", (HEAD + b"content-length: 10\r\n\r\nhello",)),
        (IDLE, "idle", (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",)),
        (IDLE, "idle", (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",)),
        (IDLE, "idle", (HEAD + b"\r\nno length",)),
        (TOTAL, "total", ()),
        (TOTAL, "total", (HEAD + b"content-length: 10\r\n\r\nhello",)),
    ],
)
def test_silence_ends_the_exchange(run: Run, deadlines: Deadlines, phase: str, parts: tuple[bytes, ...]) -> None:
    async def main() -> None:
        closed = asyncio.Event()
        async with scripted(saying(*parts, closed=closed)) as server, client_of() as client:
            await expect(client, server.origin, deadlines, phase)
            await asyncio.wait_for(closed.wait(), 10)
            assert client.stats()[server.origin].idle == 0

    run(main())


def test_a_trickle_does_not_put_off_the_head_or_the_total(run: Run) -> None:
    async def trickle(peer: Peer, start: bytes, drop: bytes) -> None:
        await peer.request()
        await peer.say(start, *[drop] * 200, pause_s=0.02)
        await peer.gone()

    async def main() -> None:
        async with client_of() as client:
            async with scripted(lambda peer: trickle(peer, HEAD, b"x: y\r\n")) as server:
                await expect(client, server.origin, FIRST_BYTE, "first_byte")
            async with scripted(lambda peer: trickle(peer, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\n\r\n")) as server:
                await expect(client, server.origin, FIRST_BYTE, "first_byte")
            async with scripted(lambda peer: trickle(peer, HEAD + b"content-length: 1000\r\n\r\n", b"x")) as server:
                await expect(client, server.origin, TOTAL, "total")

    run(main())


def test_a_steady_body_outlives_the_idle_deadline(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"content-length: 40\r\n\r\n", *[b"x"] * 40, pause_s=0.02)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            steady = Deadlines(connect_s=20, first_byte_s=20, idle_s=0.5, total_s=40)
            assert await drain(await get(client, server.origin, steady)) == b"x" * 40

    run(main())


def test_a_request_body_that_nobody_reads_ends_with_the_first_byte_deadline(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await asyncio.sleep(20)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            await expect(client, server.origin, FIRST_BYTE, "first_byte", body=b"x" * 30_000_000)

    run(main())


def test_expect_by_replaces_the_idle_deadline_until_the_next_byte(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"content-length: 10\r\n\r\n", pause_s=0.5)
        await peer.say(b"hello")
        await peer.gone()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin, IDLE)
            response.expect_by(loop.time() + 20)  # later: the idle deadline alone would have fired
            assert await response.chunk() == b"hello"
            with pytest.raises(TransportDeadline):  # and it holds again afterwards
                await response.chunk()

            response = await get(client, server.origin)
            response.expect_by(loop.time() + 0.1)  # sooner
            with pytest.raises(TransportDeadline) as caught:
                await response.chunk()
            assert caught.value.phase == "idle"

    run(main())


def test_a_slow_reader_of_ours_is_not_the_peers_silence(run: Run) -> None:
    size = 8_000_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"content-length: %d\r\n\r\n" % size, b"x" * size)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin, IDLE)
            await asyncio.sleep(0.6)
            assert len(await drain(response)) == size

    run(main())


def test_a_complete_answer_that_nobody_takes_gives_its_connection_back_at_the_total_deadline(run: Run) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(OK)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin, TOTAL)
            assert client.stats()[server.origin].idle == 0
            while not client.stats()[server.origin].idle:
                await asyncio.sleep(0.02)
            assert await response.read(10) == b"ok"

    run(main())


def test_connect_deadline_where_tcp_does_not_answer(run: Run) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # a full backlog: Linux drops further SYNs
        origin = Origin(host="127.0.0.1", port=listener.getsockname()[1])
        fillers = [socket.socket() for _ in range(4)]

        async def main() -> None:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", origin.port))
            async with client_of() as client:
                await expect(client, origin, CONNECT, "connect")
                await expect(client, origin, TOTAL, "connect")  # nothing was sent: that is what counts
                assert client.stats()[origin].open == 0

        try:
            run(main())
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 Connection est"])
@pytest.mark.parametrize("tls", [True, False])
def test_connect_deadline_in_the_proxy(run: Run, tls: bool, answer: bytes) -> None:
    async def main() -> None:
        closed = asyncio.Event()
        async with scripted(saying(answer, closed=closed)) as proxy, client_of() as client:
            origin = Origin(host="127.0.0.1", port=9, tls=tls, proxy=f"http://127.0.0.1:{proxy.origin.port}")
            await expect(client, origin, CONNECT, "connect")
            await asyncio.wait_for(closed.wait(), 10)

    run(main())


def test_connect_deadline_in_the_tls_handshake(run: Run, tmp_path: Path) -> None:
    closed = asyncio.Event()
    trustme.CA().cert_pem.write_to_path(f"{tmp_path}/ca.pem")

    async def script(peer: Peer) -> None:
        assert await peer.reader.read(5)  # the ClientHello
        await peer.reader.read(100_000)
        assert await peer.gone()
        closed.set()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            origin = Origin(host="127.0.0.1", port=server.origin.port, tls=True, ca_file=f"{tmp_path}/ca.pem")
            await expect(client, origin, CONNECT, "connect")
            await asyncio.wait_for(closed.wait(), 10)

    run(main())


def test_connect_deadline_while_waiting_for_a_connection_to_come_free(run: Run) -> None:
    async def main() -> None:
        closed = asyncio.Event()
        async with scripted(saying(closed=closed)) as server, client_of(max_connections_per_origin=1) as client:
            first = asyncio.create_task(get(client, server.origin, PATIENT))
            await asyncio.sleep(0.05)
            await expect(client, server.origin, CONNECT, "connect")
            assert client.stats()[server.origin].waiting == 0
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await asyncio.wait_for(closed.wait(), 10)

    run(main())
