"""What arrives is parsed as HTTP/1.1 says, whatever its cuts; what breaks off or lies is an error."""

from __future__ import annotations

import asyncio

import pytest

from ninefold.domain.errors import UpstreamRejected
from ninefold.ports.http_client import TransportFailed

from .scripted import OK, PATIENT, Peer, Run, answering, both_loops, client_of, drain, get, scripted

pytestmark = both_loops

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (HEAD + b"content-length: 5\r\n\r\nhello", 200, b"hello"),
        (HEAD + b"Content-Length: 0\r\n\r\n", 200, b""),
        (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 200, b"hello world"),
        (CHUNKED + b"5;ext=1\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 529 Overloaded\r\ncontent-length: 1\r\n\r\nx", 529, b"x"),
    ],
)
def test_a_framed_answer_is_read_whole_and_its_connection_used_again(run: Run, answer: bytes, status: int, body: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(answer)) as server, client_of() as client:
            for read in (lambda r: r.read(1000), drain, drain):
                response = await get(client, server.origin)
                assert (response.status, await read(response)) == (status, body)
                assert await response.chunk() == b""
            assert server.opened == 1

    run(main())


def test_an_answer_without_length_ends_where_the_connection_does(run: Run) -> None:
    async def main() -> None:
        for head in (HEAD + b"\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
            async with scripted(answering(head, b"until ", b"the end", pause_s=0.01, close=True)) as server, client_of() as client:
                assert await (await get(client, server.origin)).read(100) == b"until the end"
                assert await drain(await get(client, server.origin)) == b"until the end"
                assert server.opened == 2

    run(main())


def test_an_answer_without_length_that_ends_in_a_reset_is_broken_off(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"\r\nsome", pause_s=0.05)
        peer.writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0: reset instead of FIN
        peer.reset()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin)
            assert await response.chunk() == b"some"
            with pytest.raises(TransportFailed):
                await response.chunk()

    run(main())


def test_head_has_no_body_whatever_its_length_says(run: Run) -> None:
    async def main() -> None:
        for answer in (HEAD + b"content-length: 500\r\n\r\n", CHUNKED, HEAD + b"\r\n"):
            async with scripted(answering(answer)) as server, client_of() as client:
                for _ in range(2):
                    response = await client.send(server.origin, b"HEAD", b"/", b"", b"", PATIENT)
                    assert (response.status, await response.read(0)) == (200, b"")

    run(main())


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200", HEAD + b"content-length: 10\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_answer_cut_in_its_head_fails_as_sent(run: Run, first: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(first, close=True)) as server, client_of() as client:
            with pytest.raises(TransportFailed) as caught:
                await get(client, server.origin)
            assert caught.value.sent
            assert server.opened == 1  # a request that may have been seen is not sent twice

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"content-length: 10\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"6\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\nx-trailer: 1\r\n",
    ],
)
def test_a_body_cut_short_delivers_what_came_and_then_fails(run: Run, answer: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(answer, close=True)) as server, client_of() as client:
            response = await get(client, server.origin)
            assert await response.chunk() == b"hello"
            for _ in range(2):
                with pytest.raises(TransportFailed):
                    await response.chunk()
            response = await get(client, server.origin)
            with pytest.raises(TransportFailed):
                await response.read(1000)

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\nabc",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        HEAD + b"x: " + b"y" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
        HEAD + b"".join(b"x-%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3000,
    ],
)
def test_what_is_not_an_acceptable_head_is_rejected_and_closed(run: Run, answer: bytes) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(answer)
        assert await peer.gone()
        closed.set()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            with pytest.raises(UpstreamRejected):
                await get(client, server.origin)
            await asyncio.wait_for(closed.wait(), 10)

    run(main())


@pytest.mark.parametrize("rest", [b"zz\r\nhello\r\n", b"5\r\nhello-too-long\r\n", b"5;" + b"x" * 70_000, b"0\r\nx: " + b"y" * 70_000])
def test_broken_or_endless_framing_in_a_body_is_rejected(run: Run, rest: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(CHUNKED + b"2\r\nhi\r\n", rest, pause_s=0.01)) as server, client_of() as client:
            response = await get(client, server.origin)
            with pytest.raises(UpstreamRejected):
                await drain(response)

    run(main())


def test_read_refuses_a_longer_body_by_its_declared_length_and_by_count(run: Run) -> None:
    long = b"x" * 101
    for answer, close in (
        (HEAD + b"content-length: 101\r\n\r\n", False),  # declared: the body need not even come
        (HEAD + b"content-length: 101\r\n\r\n" + long, False),
        (CHUNKED + b"65\r\n" + long + b"\r\n", False),
        (CHUNKED + b"65\r\n" + long + b"\r\n0\r\n\r\n", False),
        (HEAD + b"\r\n" + long, True),
        (HEAD + b"content-length: " + b"0" * 5000 + b"101\r\n\r\n" + long, False),
    ):

        async def main(answer: bytes = answer, *, close: bool = close) -> None:
            async with scripted(answering(answer, close=close)) as server, client_of() as client:
                with pytest.raises(UpstreamRejected):
                    await (await get(client, server.origin)).read(100)

        run(main())


def test_header_names_are_lower_case_and_trailers_are_not_headers(run: Run) -> None:
    async def main() -> None:
        answer = HEAD + b"X-Request-ID: AbC\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Late: 1\r\n\r\n"
        async with scripted(answering(answer)) as server, client_of() as client:
            for _ in range(2):
                response = await get(client, server.origin)
                assert dict(response.headers) == {b"x-request-id": b"AbC", b"transfer-encoding": b"chunked"}
                await response.read(0)

    run(main())


def test_chunk_returns_what_is_buffered_joined_without_waiting(run: Run) -> None:
    async def main() -> None:
        answer = CHUNKED + b"".join(b"1\r\n%d\r\n" % (n % 10) for n in range(2000)) + b"0\r\n\r\n"
        async with scripted(answering(answer)) as server, client_of() as client:
            response = await get(client, server.origin)
            while not response.complete:
                await asyncio.sleep(0.01)
            taking = response.chunk()
            with pytest.raises(StopIteration) as result:
                taking.send(None)  # would return a future to wait for
            assert result.value.value == b"0123456789" * 200
            assert len(response.pieces) == 0

    run(main())


def test_a_large_request_body_arrives_whole(run: Run) -> None:
    body = bytes(range(256)) * 40_000
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            received.append((await peer.request())[1])
            await peer.say(OK)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            for size in (len(body), 64 * 1024, 64 * 1024 + 1, 3):
                response = await client.send(server.origin, b"POST", b"/", b"", body[:size], PATIENT)
                assert await response.read(10) == b"ok"
            assert server.opened == 1
            assert received == [body, body[: 64 * 1024], body[: 64 * 1024 + 1], body[:3]]

    run(main())
