"""Who gets which connection, how many there are, and that none is left."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from ninefold.ports.http_client import Deadlines, TransportDeadline, TransportFailed

from .scripted import OK, Peer, Run, answering, both_loops, client_of, get, scripted

pytestmark = both_loops

HEAD = b"HTTP/1.1 200 OK\r\n"


def test_callers_wait_in_order_for_the_connections_there_are(run: Run) -> None:
    order: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            order.append((await peer.request())[0].split(b" ")[1])
            await peer.say(b"", OK, pause_s=0.005)

    async def main() -> None:
        async with scripted(script) as server, client_of(max_connections_per_origin=1) as client:

            async def one(number: int) -> bytes:
                return await (await get(client, server.origin, target=b"/%d" % number)).read(10)

            tasks = [asyncio.ensure_future(one(n)) for n in range(12)]
            await asyncio.sleep(0.002)
            for cancelled in (3, 4, 9):
                tasks[cancelled].cancel()
            results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            assert [r for r in results if r != b"ok" and not isinstance(r, asyncio.CancelledError)] == []
            assert order == [b"/%d" % n for n in range(12) if n not in {3, 4, 9}]
            assert server.opened == 1

    run(main())


def test_a_connection_given_to_a_waiter_that_is_gone_goes_to_the_next(run: Run) -> None:
    async def main() -> None:
        async with scripted(answering(OK)) as server, client_of(max_connections_per_origin=1) as client:
            first = await get(client, server.origin)
            while not first.complete:
                await asyncio.sleep(0.01)
            second, third = (asyncio.ensure_future(get(client, server.origin)) for _ in range(2))
            await asyncio.sleep(0.01)
            assert client.stats()[server.origin].waiting == 2
            await first.chunk()  # does not wait: the second was given the connection, and has not run yet
            second.cancel()
            assert await (await asyncio.wait_for(third, 5)).read(10) == b"ok"
            assert second.cancelled()
            assert server.opened == 1

    run(main())


def test_room_given_to_a_waiter_that_is_gone_goes_to_the_next(run: Run) -> None:
    async def main() -> None:
        script = answering(HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok")
        async with scripted(script) as server, client_of(max_connections_per_origin=2) as client:
            dice = random.Random(7)

            async def one() -> None:
                await (await get(client, server.origin)).read(10)

            for _ in range(10):
                tasks = [asyncio.ensure_future(one()) for _ in range(12)]
                while not all(t.done() for t in tasks):
                    if dice.random() < 0.2:
                        dice.choice(tasks).cancel()
                    await asyncio.sleep(0)
            await asyncio.wait_for(one(), 5)
            async with asyncio.timeout(5):
                while client.stats()[server.origin].open:
                    await asyncio.sleep(0.01)
            assert client.stats()[server.origin].waiting == 0

    run(main())


def test_idle_connections_are_closed_in_time_and_their_pool_forgotten(run: Run) -> None:
    async def main() -> None:
        async with scripted(answering(OK)) as server, client_of(idle_keep_alive_s=0.1) as client:
            assert await (await get(client, server.origin)).read(10) == b"ok"
            assert client.stats()[server.origin].idle == 1
            async with asyncio.timeout(5):
                while client.stats():
                    await asyncio.sleep(0.02)
            assert await (await get(client, server.origin)).read(10) == b"ok"
            assert server.opened == 2

    run(main())


def test_origins_that_differ_in_anything_share_nothing(run: Run) -> None:
    async def main() -> None:
        async with scripted(answering(OK)) as server, client_of() as client:
            for origin in (server.origin, replace(server.origin, host="localhost"), replace(server.origin, ca_file="other")):
                assert await (await get(client, origin)).read(10) == b"ok"
            assert server.opened == 3
            assert await (await get(client, replace(server.origin))).read(10) == b"ok"
            assert server.opened == 3

    run(main())


def test_close_leaves_nothing_open_and_fails_what_was_under_way(run: Run) -> None:
    async def script(peer: Peer) -> None:
        head, _ = await peer.request()
        if b"/body" in head:
            await peer.say(HEAD + b"content-length: 10\r\n\r\nhello")
        elif b"/idle" in head:
            await peer.say(OK)
        assert await peer.gone()

    async def main() -> None:
        async with scripted(script) as server, scripted(script) as proxy, client_of(max_connections_per_origin=3) as client:
            assert await (await get(client, replace(server.origin, host="localhost"), target=b"/idle")).read(10) == b"ok"
            streaming = await get(client, server.origin, target=b"/body")
            assert await streaming.chunk() == b"hello"
            through = replace(server.origin, proxy=f"http://127.0.0.1:{proxy.origin.port}")
            waiting = [
                asyncio.ensure_future(w)
                for w in (
                    streaming.chunk(),
                    get(client, server.origin),
                    get(client, server.origin),
                    get(client, server.origin),  # waits for a connection
                    get(client, through),  # waits for the proxy
                )
            ]
            await asyncio.sleep(0.05)
            assert client.stats()[server.origin].waiting == 1
            await asyncio.wait_for(client.close(), 5)
            results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
            assert [type(r) for r in results] == [TransportFailed] * 5
            assert [r.sent for r in results if isinstance(r, TransportFailed)] == [True, True, True, False, False]
            with pytest.raises(TransportFailed):
                await get(client, server.origin)
            await client.close()

    run(main())


def test_the_sweep_stops_when_nothing_is_in_flight_and_starts_again(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        assert await peer.gone()

    async def main() -> None:
        async with scripted(script) as server, client_of() as client:
            response = await get(client, server.origin)
            assert client._sweeper is not None
            await response.read(10)
            async with asyncio.timeout(5):
                while client._sweeper is not None:
                    await asyncio.sleep(0.01)
            assert not client._watched
            with pytest.raises(TransportDeadline):
                await get(client, server.origin, Deadlines(connect_s=5, first_byte_s=0.1, idle_s=5, total_s=5))
            assert server.opened == 1

    run(main())
