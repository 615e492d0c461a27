"""The laws of the port: streams never cross, what ends early is closed at once, nothing dirty is used again, both sides are held back.

Bodies, deadlines, pools and routes have files of their own in `http_client/`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading

import pytest

from ninefold.ports.http_client import Origin, TransportFailed

from .http_client.scripted import OK, PATIENT, Peer, Run, answering, both_loops, client_of, drain, get, scripted

pytestmark = both_loops

HEAD = b"HTTP/1.1 200 OK\r\n"
CALLERS, EACH = 60, 50


async def tagged(peer: Peer, dice: random.Random) -> None:
    """Answers each request with its own target, over and over, in pieces cut and timed by chance."""
    while True:
        head, _ = await peer.request()
        tag = head.split(b" ")[1][1:]
        body = (tag + b";") * dice.choice((1, 3, 200, 2000))
        if dice.random() < 0.5:
            answer = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
        else:
            cut = dice.randrange(1, len(body))
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
            answer = HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        if dice.random() < 0.02:
            peer.writer.write(answer[: dice.randrange(len(answer))])
            peer.hang_up()
            return
        while answer:
            cut = dice.choice((len(answer), len(answer), dice.randrange(1, len(answer) + 1)))
            await peer.say(answer[:cut], pause_s=dice.choice((0, 0, 0.001)))
            answer = answer[cut:]


@pytest.mark.parametrize("limit", [4096, 16])
def test_thousands_of_exchanges_with_aborts_and_cancellations_never_cross(run: Run, limit: int) -> None:
    dice = random.Random(20261121)
    counts = {"whole": 0, "aborted": 0, "cancelled": 0, "broken": 0}

    async def main() -> None:
        async with scripted(lambda peer: tagged(peer, dice)) as server, client_of(max_connections_per_origin=limit) as client:

            async def exchange(tag: bytes) -> None:
                response = await get(client, server.origin, target=b"/" + tag)
                abort_after = dice.choice((None, None, None, 0, 1))
                received, taken = b"", 0
                while abort_after is None or taken < abort_after:
                    part = await response.chunk() if dice.random() < 0.8 else await response.read(100_000)
                    received += part
                    taken += 1
                    if not part or (response.complete and not response.pieces):
                        break
                    await asyncio.sleep(dice.choice((0, 0, 0.001)))
                unit = tag + b";"
                assert (unit * (len(received) // len(unit) + 1)).startswith(received), (tag, received[:80])
                if response.complete and not response.pieces:
                    assert len(received) % len(unit) == 0
                    counts["whole"] += 1
                else:
                    response.abort()
                    counts["aborted"] += 1

            async def caller(number: int) -> None:
                for turn in range(EACH):
                    task = asyncio.ensure_future(exchange(b"caller-%d-turn-%d" % (number, turn)))
                    if dice.random() < 0.1:
                        await asyncio.sleep(dice.choice((0, 0, 0.001, 0.003)))
                        task.cancel()
                    try:
                        await task
                    except asyncio.CancelledError:
                        counts["cancelled"] += 1
                    except TransportFailed:
                        counts["broken"] += 1

            await asyncio.wait_for(asyncio.gather(*(caller(n) for n in range(CALLERS))), 60)
            assert sum(counts.values()) == CALLERS * EACH
            assert min(counts.values()) > 20, counts  # each way of ending was tried
            torn = CALLERS * EACH - counts["whole"]
            assert server.opened <= CALLERS + torn, (server.opened, counts)  # all others came over connections used again
            stats = client.stats()[server.origin]
            assert stats.waiting == 0
            assert stats.open <= limit

    run(main())


def test_a_connection_is_not_used_again_before_its_last_byte_was_taken(run: Run) -> None:
    async def main() -> None:
        async with scripted(answering(HEAD + b"content-length: 6\r\n\r\nabcdef")) as server, client_of() as client:
            first = await get(client, server.origin)
            while not first.complete:
                await asyncio.sleep(0.01)
            second = await get(client, server.origin)
            assert server.opened == 2
            assert await first.chunk() == await second.chunk() == b"abcdef"
            assert client.stats()[server.origin].idle == 2
            third = await get(client, server.origin)
            assert await first.chunk() == b""  # an old response says nothing of the new exchange
            first.abort()
            assert await third.read(6) == b"abcdef"
            assert server.opened == 2

    run(main())


@pytest.mark.parametrize("how", ["abort", "cancel chunk", "cancel read", "cancel send"])
def test_an_exchange_ended_early_closes_its_connection_at_once(run: Run, how: str) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if how != "cancel send":
            await peer.say(HEAD + b"content-length: 100\r\n\r\nhello")
        assert await peer.gone()
        closed.set()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            if how == "cancel send":
                task = asyncio.ensure_future(get(client, server.origin))
            else:
                response = await get(client, server.origin)
                assert await response.chunk() == b"hello"
                task = asyncio.ensure_future(response.read(1000) if how == "cancel read" else response.chunk())
            await asyncio.sleep(0.05)
            if how == "abort":
                response.abort()
                response.abort()
                with pytest.raises(TransportFailed):
                    await task
                with pytest.raises(TransportFailed):
                    await response.chunk()
            else:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await asyncio.wait_for(closed.wait(), 5)
            assert client.stats()[server.origin].idle == 0

    run(main())


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
@pytest.mark.parametrize("surplus", [b"X", OK, b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nevil!!"])
@pytest.mark.parametrize(
    "answer", [OK, HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"]
)
def test_surplus_bytes_end_a_connection_and_reach_nobody(run: Run, answer: bytes, surplus: bytes, pause_s: float) -> None:
    parts = (answer + surplus,) if not pause_s else (answer, surplus)
    expected = b"" if b" 204 " in answer else b"ok"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(*parts, pause_s=pause_s)
        assert await peer.gone()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            for number in range(1, 4):
                assert await drain(await get(client, server.origin)) == expected
                while client.stats()[server.origin].open:
                    await asyncio.sleep(0.01)
                assert server.opened == number

    run(main())


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", b""),
        (HEAD + b"Connection: Keep-Alive, Close\r\ncontent-length: 2\r\n\r\nok", b""),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b""),
        (OK, b"Connection: close\r\n"),
        (OK, b"accept: */*\r\nconnection: TE, close\r\n"),
        (HEAD + b"keep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok", b""),
    ],
)
def test_a_connection_that_either_side_ends_is_not_used_again(run: Run, answer: bytes, headers: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(answer)) as server, client_of() as client:
            for number in range(1, 4):
                response = await client.send(server.origin, b"POST", b"/", headers, b"{}", PATIENT)
                assert await response.read(10) == b"ok"
                assert server.opened == number

    run(main())


def test_an_answer_before_the_request_was_written_whole_ends_the_connection(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(0.2)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await client.send(server.origin, b"POST", b"/", b"", b"x" * 50_000_000, PATIENT)
            assert (response.status, await response.read(10)) == (413, b"no")
            assert client.stats()[server.origin].idle == 0

    run(main())


def test_an_idle_connection_that_the_peer_closed_is_replaced_unseen(run: Run) -> None:
    heads: list[int] = []

    async def script(peer: Peer) -> None:
        heads.append(peer.number)
        await peer.request()
        await peer.say(OK, pause_s=0.02)
        peer.hang_up()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            for number in range(1, 4):
                assert await (await get(client, server.origin)).read(10) == b"ok"
                await asyncio.sleep(0.1)
                assert client.stats()[server.origin].open == 0
                assert heads == list(range(1, number + 1))

    run(main())


def test_a_close_that_the_loop_has_not_seen_yet_is_found_before_writing(run: Run) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    end, ended = threading.Event(), threading.Event()

    def serve() -> None:
        for number in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)
                if not number:
                    end.wait(10)
            ended.set()

    thread = threading.Thread(target=serve)
    thread.start()

    async def main() -> None:
        origin = Origin(host="127.0.0.1", port=listener.getsockname()[1])
        async with client_of() as client:
            assert await (await get(client, origin)).read(10) == b"ok"
            (idle,) = client._pools[origin]._idle
            idle.idle_since -= 60  # as if a minute had passed
            end.set()
            assert ended.wait(10)  # the loop stands still meanwhile
            assert not idle.closed
            assert await (await get(client, origin)).read(10) == b"ok"
            assert idle.closed

    try:
        run(main())
    finally:
        thread.join(10)
        listener.close()


def test_a_request_that_may_have_been_seen_is_never_repeated(run: Run) -> None:
    seen: list[int] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            seen.append(peer.number)
            if len(seen) == 2:
                peer.hang_up()
                return
            await peer.say(OK)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            assert await (await get(client, server.origin)).read(10) == b"ok"
            with pytest.raises(TransportFailed) as caught:
                await get(client, server.origin)
            assert caught.value.sent
            assert seen == [1, 1]

    run(main())


@pytest.mark.parametrize("whole", [True, False])
def test_a_slow_consumer_holds_the_server_back(run: Run, whole: bool) -> None:
    size = 64 * 1024 * 1024
    written = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.request()
        await peer.say(HEAD + b"content-length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            await peer.say(b"x" * 65536)
            written += 65536

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin)
            before = -1
            while before != written:
                before = written
                await asyncio.sleep(0.2)
            assert written < size / 4  # what the kernel's socket buffers hold, and no more
            assert response.buffered < 1_000_000
            total = len(await response.read(size)) if whole else 0
            while part := await response.chunk():
                total += len(part)
            assert total == size

    run(main())


def test_a_slow_server_holds_the_writing_of_a_large_body_back(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        await peer.reader.readexactly(40_000_000)
        await peer.say(OK)

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            task = asyncio.ensure_future(client.send(server.origin, b"POST", b"/", b"", b"x" * 40_000_000, PATIENT))
            await asyncio.sleep(0.15)
            (connection,) = client._pools[server.origin]._connections
            assert connection.transport is not None
            assert connection.transport.get_write_buffer_size() <= 256 * 1024
            assert await (await task).read(10) == b"ok"
            assert client.stats()[server.origin].idle == 1

    run(main())


@pytest.mark.parametrize("target", [b"", b"/a b", b"/a\r\nx: y", b"/a\n", b" /", b"/ HTTP/1.1\r\n\r\nGET /b"])
def test_a_target_that_would_smuggle_is_not_sent(run: Run, target: bytes) -> None:
    async def main() -> None:
        async with scripted(answering(OK)) as server, client_of() as client:
            with pytest.raises(TransportFailed) as caught:
                await get(client, server.origin, target=target)
            assert not caught.value.sent
            assert server.opened == 0

    run(main())
