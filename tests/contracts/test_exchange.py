"""The laws of `ninefold.ports.exchange`, for the HTTP/1.1 server, on both event loops."""

import asyncio
import json
import logging
from email.utils import parsedate_to_datetime

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http1_server import GOOD, PATIENCE_S, echo, serving, until

from ninefold.adapters.http1.server import ServerLimits
from ninefold.domain.errors import InvalidRequest, TooLarge

POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


def test_a_request_is_seen_as_it_was_sent(run):
    async def main():
        async with serving(echo) as served:
            client = await served.dial()
            reply = await client.ask(
                b"POST /a%20b/c?x=1?&y HTTP/1.1\r\nHost: a:80\r\nX-One:  1 \t\r\nx-ONE: 2\r\nAuthorization: Bearer \xe9\r\nEmpty:\r\n"
                b"Content-Length: 3\r\n\r\nabc"
            )
            seen = json.loads(reply.body)
            assert (reply.status, seen["method"], seen["path"], seen["query"], seen["body"]) == (200, "POST", "/a%20b/c", "x=1?&y", "abc")
            assert seen["headers"] == {
                "host": "a:80", "x-one": "1, 2", "authorization": "Bearer \xe9", "empty": "", "content-length": "3",
            }  # fmt: skip
            assert reply.headers["content-type"] == "application/json"
            assert parsedate_to_datetime(reply.headers["date"]).tzinfo is not None
            assert "connection" not in reply.headers

    run(main())


def test_peer_is_the_address_and_a_unix_socket_is_served(run, tmp_path):
    async def handle(exchange):
        exchange.reply(200, b"", exchange.peer.encode())

    async def main():
        async with serving(handle) as served:
            assert (await (await served.dial()).ask(GOOD)).body == b"127.0.0.1"
        async with serving(handle, unix=tmp_path / "s") as served:
            assert (await (await served.dial()).ask(GOOD)).body == b"unix"

    run(main())


def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(run):
    order = []

    async def handle(exchange):
        body = await exchange.body(100)
        order.append(("begin", body))
        await asyncio.sleep(0)
        exchange.start(200, b"")
        await exchange.write(body)
        await asyncio.sleep(0)
        order.append(("end", body))
        exchange.finish()

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            requests = [POST + b"Content-Length: 1\r\n\r\n1", CHUNKED + b"1\r\n2\r\n0\r\n\r\n", GOOD, POST + b"Content-Length: 1\r\n\r\n4"]
            client.send(b"".join(requests))
            assert [(await client.reply()).body for _ in requests] == [b"1", b"2", b"", b"4"]
            assert order == [(what, body) for body in (b"1", b"2", b"", b"4") for what in ("begin", "end")]
            assert (await client.ask(POST + b"Content-Length: 1\r\n\r\n5")).body == b"5"

    run(main())


def test_a_reply_is_sent_once(run):
    refused = []

    async def handle(exchange):
        if exchange.path == "/stream":
            exchange.start(200, b"")
            exchange.finish()
        else:
            exchange.reply(200, b"", b"first")
        for again in (lambda: exchange.reply(200, b"", b"again"), lambda: exchange.start(200, b""), exchange.finish):
            with pytest.raises(RuntimeError):
                again()
            refused.append(1)
        with pytest.raises(RuntimeError):
            await exchange.write(b"again")
        exchange.abort()

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            assert (await client.ask(GOOD)).body == b"first"
            assert (await client.ask(GOOD.replace(b"good", b"stream"))).body == b""
            assert (await client.ask(GOOD)).body == b"first"
            await until(lambda: len(refused) == 9)

    run(main())


@pytest.mark.parametrize("how", ["abort", "raise", "raise-ours", "return"])
def test_a_stream_that_was_not_finished_ends_without_its_last_chunk(run, how, caplog):
    async def handle(exchange):
        exchange.start(200, b"content-type: text/event-stream\r\n")
        await exchange.write(b"data: 1\n\n")
        await exchange.write(b"")
        await exchange.write(b"event: error\n\n")
        if how == "abort":
            exchange.abort()
        elif how == "raise":
            raise ValueError("secret")
        elif how == "raise-ours":
            raise InvalidRequest("late")

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            reply = await client.ask(GOOD)
            assert (reply.status, reply.body, reply.whole) == (200, b"data: 1\n\nevent: error\n\n", False)
            assert await client.closed()

    with caplog.at_level(logging.WARNING, logger="ninefold.http1"):
        run(main())
    assert len(caplog.records) == (0 if how == "abort" else 1)


def test_a_stream_to_http_1_0_ends_with_the_connection_and_a_cut_one_with_a_reset(run):
    async def handle(exchange):
        exchange.start(200, b"")
        await exchange.write(b"some")
        if exchange.path == "/good":
            exchange.finish()
        else:
            await asyncio.sleep(0.05)
            exchange.abort()

    async def main():
        async with serving(handle) as served:
            for path, whole in ((b"/good", True), (b"/cut", False)):
                client = await served.dial()
                reply = await client.ask(b"GET %b HTTP/1.0\r\n\r\n" % path)
                assert (reply.body, reply.whole) == (b"some", whole)
                assert reply.headers["connection"] == "close"
                assert "transfer-encoding" not in reply.headers

    run(main())


def test_write_waits_for_a_slow_reader_and_nobody_else_does(run):
    accepted, size, total = [0], 65_536, 24 * 1024 * 1024

    async def handle(exchange):
        if exchange.path == "/good":
            exchange.reply(200, b"", b"")
            return
        exchange.start(200, b"")
        for _ in range(total // size):
            await exchange.write(b"x" * size)
            accepted[0] += size
        exchange.finish()

    async def main():
        async with serving(handle) as served:
            slow = await served.dial(receive_bytes=32_768)
            slow.send(GOOD.replace(b"good", b"big"))
            await until(lambda: accepted[0] > 0)
            for _ in range(50):
                await served.works()
            # What the two kernels' socket buffers hold, not what the handler has to say.
            assert accepted[0] < total // 2
            reply = await slow.reply()
            assert (len(reply.body), reply.whole, accepted[0]) == (total, True, total)

    run(main())


def test_a_large_reply_is_whole_before_the_connection_closes(run):
    async def handle(exchange):
        exchange.reply(200, b"", b"z" * 5_000_000)

    async def main():
        async with serving(handle) as served:
            client = await served.dial(receive_bytes=8192)
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n")
            reply = await client.reply()
            assert (len(reply.body), reply.headers["connection"]) == (5_000_000, "close")
            assert await client.closed()

    run(main())


@pytest.mark.parametrize(
    ("where", "reset"), [("waiting", False), ("waiting", True), ("writing", False), ("writing", True), ("body", True), ("pipelined", False)]
)
def test_a_handler_is_cancelled_as_soon_as_its_client_has_gone(run, where, reset):
    begun, ended = [], []

    async def handle(exchange):
        begun.append(1)
        try:
            if where == "body":
                await exchange.body(100)
            exchange.start(200, b"")
            while where == "writing":
                await exchange.write(b"x" * 65_536)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(ConnectionError):
                await exchange.write(b"nobody hears this") if where != "body" else await exchange.body(100)
            ended.append(1)
            raise

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            client.send(POST + b"Content-Length: 3\r\n\r\n" + (b"a" if where == "body" else b"abc"))
            if where == "pipelined":
                client.send(GOOD)
            await until(lambda: bool(begun))
            await asyncio.sleep(0.01)
            client.hang_up(reset=reset)
            await until(lambda: bool(ended) and served.server.in_flight == 0)
            assert begun == [1]
            await until(lambda: served.server.connections == 0)

    run(main())


def test_a_handler_goes_on_after_its_reply_when_the_client_leaves(run):
    settled = []

    async def handle(exchange):
        exchange.reply(200, b"", b"")
        await until(lambda: server[0].connections == 0)
        settled.append(server[0].in_flight)

    server = []

    async def main():
        async with serving(handle) as served:
            server.append(served.server)
            client = await served.dial()
            await client.ask(GOOD)
            client.hang_up()
            await until(lambda: settled == [1])

    run(main())


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"Content-Length: 11\r\n\r\n", "too_large"),
        (b"Content-Length: 999999999999999\r\n\r\n" + b"x" * 500_000, "too_large"),
        (b"Content-Length: 11\r\n\r\nhello world", "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\nb\r\nhello world", "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n", "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "invalid_request"),
        (b"Content-Length: 10\r\n\r\nhello worl", None),
        (b"Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nhel\r\n07\r\nlo worl\r\n00\r\nTrailer: x\r\n\r\n", None),
    ],
)
def test_a_body_is_whole_or_refused_as_soon_as_it_is_known_to_be_wrong(run, rest, code):
    async def handle(exchange):
        exchange.reply(200, b"", await exchange.body(10))

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            reply = await client.ask(POST + rest)
            if code is None:
                assert reply.body == b"hello worl"
                assert (await client.ask(POST + b"Content-Length: 1\r\n\r\n1")).body == b"1"
            else:
                assert (reply.code, reply.status) == (code, 413 if code == "too_large" else 400)
                assert await served.dial()

    run(main())


@pytest.mark.parametrize("begun", [b"Content-Length: 5\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"Content-Length: 5\r\n"])
def test_a_request_that_ends_too_early_is_refused(run, begun):
    async def main():
        async with serving(echo) as served:
            client = await served.dial()
            client.send(POST + begun)
            client.writer.write_eof()
            reply = await client.reply()
            assert (reply.status, reply.code, json.loads(reply.body)["path"]) == (400, "invalid_request", "/p")
            assert await client.closed()

    run(main())


def test_a_refusal_reaches_a_client_that_still_sends(run):
    async def handle(exchange):
        await asyncio.sleep(0.02)
        raise InvalidRequest("no")

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            client.send(POST + b"Content-Length: 8000000\r\n\r\n" + b"x" * 7_999_999)
            reply = await client.reply()
            assert (reply.code, reply.headers["connection"]) == ("invalid_request", "close")
            assert await client.closed()

    run(main())


def test_a_large_body_that_nobody_asked_for_yet_is_not_read_and_later_is_whole(run):
    size, seen = 8_000_000, []

    async def handle(exchange):
        if exchange.path == "/p":
            await gate[0].wait()
            seen.append(len(await exchange.body(size)))
        exchange.reply(200, b"", b"")

    gate = []

    async def main():
        gate.append(asyncio.Event())
        async with serving(handle) as served:
            client = await served.dial()
            client.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
            for _ in range(30):
                await served.works()
            assert client.writer.transport.get_write_buffer_size() > 0
            gate[0].set()
            assert (await client.reply()).status == 200
            assert seen == [size]

    run(main())


def test_continue_is_said_when_the_body_is_asked_for(run):
    async def handle(exchange):
        if exchange.path == "/no":
            raise InvalidRequest("not even the body")
        exchange.reply(200, b"", await exchange.body(10))

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            assert (await client.ask(POST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")).status == 100
            assert (await client.ask(b"ok")).body == b"ok"
            reply = await client.ask(POST.replace(b"/p", b"/no") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (reply.status, reply.headers["connection"]) == (400, "close")

    run(main())


def test_continue_is_said_once(run):
    async def handle(exchange):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await exchange.body(10)
        exchange.reply(200, b"", await exchange.body(10))

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            assert (await client.ask(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")).status == 100
            await asyncio.sleep(0.05)
            assert (await client.ask(b"ok")).body == b"ok"

    run(main())


def test_a_chunked_body_that_is_too_large_when_it_ends_is_refused(run):
    asked = []

    async def handle(exchange):
        asked.append(1)
        exchange.reply(200, b"", await exchange.body(10))

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            client.send(CHUNKED)
            await until(lambda: bool(asked))
            assert (await client.ask(b"b\r\nhello world\r\n0\r\n\r\n")).code == "too_large"

    run(main())


def test_head_204_and_304_have_no_body(run):
    async def handle(exchange):
        if exchange.path == "/stream":
            exchange.start(200, b"")
            await exchange.write(b"unseen")
            exchange.finish()
        else:
            exchange.reply(int(exchange.path[1:]), b"", b"" if exchange.method == "GET" else b"12345")

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            client.send(b"HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.reply(to_head=True)).headers["content-length"] == "5"
            client.send(b"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.reply(to_head=True)).headers["transfer-encoding"] == "chunked"
            for status in (b"204", b"304"):
                reply = await client.ask(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % status)
                assert (reply.status, "content-length" in reply.headers) == (int(status), False)
            assert (await client.ask(b"GET /299 HTTP/1.0\r\n\r\n")).headers["connection"] == "close"
            assert await client.closed()

    run(main())


def test_errors_are_rendered_and_what_is_not_ours_is_logged_once(run, caplog):
    async def handle(exchange):
        if exchange.path == "/ours":
            raise TooLarge("said")
        if exchange.path == "/theirs":
            raise ValueError("a secret")

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            for path, status, code in ((b"/ours", 413, "too_large"), (b"/theirs", 500, "internal"), (b"/silent", 500, "internal")):
                reply = await client.ask(GOOD.replace(b"/good", path))
                assert (reply.status, reply.code, json.loads(reply.body)["path"]) == (status, code, path.decode())
                assert b"secret" not in reply.body
            assert "connection" not in reply.headers

    with caplog.at_level(logging.WARNING, logger="ninefold.http1"):
        run(main())
    assert [record.getMessage() for record in caplog.records] == ["exchange.failed", "exchange.not_answered"]


def test_handlers_share_no_task_while_they_run(run):
    running, seen = set(), set()

    async def handle(exchange):
        task = asyncio.current_task()
        assert task not in running
        assert task.cancelling() == 0
        running.add(task)
        seen.add(task)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            exchange.reply(200, b"", b"")
            await asyncio.sleep(0.001)
        finally:
            running.discard(task)

    async def main():
        async with serving(handle) as served:
            clients = [await served.dial() for _ in range(3)]
            for _ in range(4):
                for client in clients:
                    client.send(GOOD + GOOD)
                for client in clients:
                    assert [(await client.reply()).status for _ in range(2)] == [200, 200]
            assert len(seen) >= 3

    run(main())


def test_a_task_that_was_cancelled_handles_nothing_more(run):
    tasks = []
    stubborn = []

    async def handle(exchange):
        task = asyncio.current_task()
        tasks.append((task, task.cancelling()))
        if exchange.path == "/stubborn":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stubborn.append(task)
        elif exchange.path == "/itself":
            task.cancel()
            exchange.reply(200, b"", b"")
        else:
            await asyncio.sleep(0)
            exchange.reply(200, b"", b"")

    async def main():
        async with serving(handle) as served:
            await (await served.dial()).ask(GOOD)
            client = await served.dial()
            client.send(GOOD.replace(b"/good", b"/stubborn"))
            await until(lambda: served.server.in_flight == 1)
            client.hang_up()
            await until(lambda: stubborn and served.server.in_flight == 0)
            client = await served.dial()
            assert (await client.ask(GOOD.replace(b"/good", b"/itself"))).status == 200
            assert (await client.ask(GOOD)).status == 200
            used = [task for task, _ in tasks]
            assert used[0] is used[1] is stubborn[0]
            assert len(set(used)) == 3
            assert [cancelling for _, cancelling in tasks] == [0, 0, 0, 0]

    run(main())


def test_draining_lets_what_was_accepted_finish(run):
    go = []

    async def handle(exchange):
        exchange.start(200, b"")
        await exchange.write(b"one ")
        if exchange.path == "/good":
            await go[0].wait()
        await exchange.write(b"two")
        exchange.finish()

    async def main():
        go.append(asyncio.Event())
        async with serving(handle) as served:
            server = served.server
            streaming, idle, fresh = [await served.dial() for _ in range(3)]
            await idle.ask(GOOD.replace(b"/good", b"/idle"))
            streaming.send(GOOD)
            await until(lambda: server.connections == 3 and server.in_flight == 1)
            draining = asyncio.ensure_future(server.drain(PATIENCE_S))
            assert await idle.closed()
            with pytest.raises(OSError):
                await served.dial()
            reply = await fresh.ask(GOOD.replace(b"/good", b"/late"))
            assert (reply.body, reply.headers["connection"], reply.whole) == (b"one two", "close", True)
            assert await fresh.closed()
            go[0].set()
            reply = await streaming.reply()
            assert (reply.body, reply.whole) == (b"one two", True)
            assert await streaming.closed()
            assert await draining == 0

    run(main())


def test_draining_cuts_what_does_not_finish_in_time(run):
    ended = []

    async def handle(exchange):
        try:
            if exchange.path == "/replied":
                exchange.reply(200, b"", b"")
            await asyncio.Event().wait()
        finally:
            ended.append(exchange.path)

    async def main():
        async with serving(handle) as served:
            clients = [await served.dial() for _ in range(3)]
            clients[0].send(GOOD)
            clients[1].send(GOOD)
            await clients[2].ask(GOOD.replace(b"/good", b"/replied"))
            await until(lambda: served.server.in_flight == 3)
            assert await served.server.drain(0.05) == 2
            assert sorted(ended) == ["/good", "/good", "/replied"]
            assert await clients[0].closed()
            await until(lambda: served.server.connections == 0)
            with pytest.raises(RuntimeError):
                await served.server.listen(None)

    run(main())


REQUESTS = POST + b"Content-Length: 5\r\nX: y\r\n\r\nhello" + CHUNKED + b"3;x=y\r\nabc\r\na\r\n0123456789\r\n0\r\nT: u\r\n\r\n\r\n" + GOOD


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(1, len(REQUESTS) - 1), max_size=12, unique=True).map(sorted), loop=st.sampled_from([asyncio.run, uvloop.run])
)
def test_any_split_of_the_bytes_gives_the_same_exchanges(cuts, loop):
    async def main():
        async with serving(echo) as served:
            client = await served.dial()
            for start, end in zip([0, *cuts], [*cuts, len(REQUESTS)], strict=True):
                client.send(REQUESTS[start:end])
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            seen = [json.loads((await client.reply()).body) for _ in range(3)]
            assert [(each["path"], each["body"]) for each in seen] == [("/p", "hello"), ("/p", "abc0123456789"), ("/good", "")]

    loop(main())


def test_too_many_connections_are_turned_away_with_a_word(run):
    async def main():
        async with serving(echo, ServerLimits(max_connections=1)) as served:
            first = await served.dial()
            assert (await first.ask(GOOD)).status == 200
            second = await served.dial()
            reply = await second.reply()
            assert (reply.status, reply.code) == (503, "unavailable")
            assert await second.closed()
            first.hang_up()
            await until(lambda: served.server.connections == 0)
            await served.works()

    run(main())
