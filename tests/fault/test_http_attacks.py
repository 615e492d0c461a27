"""What hostile and broken clients send: each gets a typed refusal or a closed connection, and the next request works."""

import asyncio
import json
import random
import socket
from itertools import pairwise

import httptools
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.adapters.http1.server import ServerLimits
from ninefold.adapters.http1.server_body import RequestBody
from ninefold.adapters.http1.server_chunks import ChunkCutter
from ninefold.adapters.http1.server_head import CHUNKED, parse_head
from ninefold.domain.errors import InvalidRequest
from tests.http1_server import GOOD, echo, serving, until

POST = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n"
BIG = GOOD.replace(b"/good", b"/big")
BODY = b"5\r\nhello\r\n0\r\n\r\n"

AMBIGUOUS_HEADS = [
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + BODY,
    POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    POST + b"Content-Length: 5, 5\r\n\r\nhello",
    POST + b"Content-Length: +5\r\n\r\nhello",
    POST + b"Content-Length: -5\r\n\r\nhello",
    POST + b"Content-Length: 0x5\r\n\r\nhello",
    POST + b"Content-Length: 5 5\r\n\r\nhello",
    POST + b"Content-Length: 1_0\r\n\r\nhellohello",
    POST + b"Content-Length: \xb2\r\n\r\nhe",
    POST + b"Content-Length:\r\n\r\n",
    POST + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    POST + b"Content-Length: 9999999999999999999\r\n\r\nhello",
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + BODY,
    POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + BODY,
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + BODY,
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    POST + b"X: a\r\n folded\r\n\r\n",
    POST + b"X: a\r\n\tfolded\r\n\r\n",
    POST + b" X: a\r\n\r\n",
    POST + b"X: a\nY: b\r\n\r\n",
    POST + b"X: a\rY: b\r\n\r\n",
    POST + b"X: a\n\nGET / HTTP/1.1\r\n\r\n",
    POST + b"X: a\x00b\r\n\r\n",
    POST + b"X\x00: b\r\n\r\n",
    POST + b"X: a\x7fb\r\n\r\n",
    POST + b"X : a\r\n\r\n",
    POST + b": a\r\n\r\n",
    POST + b"X\r\n\r\n",
    POST + b"X\xe9: a\r\n\r\n",
    POST + b"X(y): a\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
    b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET ?x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"SETUP / RTSP/1.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + GOOD,
    b"{}",
]  # fmt: skip
BROKEN_CHUNKS = [
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhelloworld\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-1\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;\x00\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\nhello",
    b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: a\r\n folded\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\nGET / HTTP/1.1\r\n\r\n",
    b"5" + b";" * 10_000 + b"\r\n",
    b"5\r\nhello\r\n0\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000,
    b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n",
]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


def handler(seen):
    async def handle(exchange):
        seen.append(exchange.path)
        await echo(exchange)

    return handle


async def refused(served, attack):
    client = await served.dial()
    reply = await client.ask(attack)
    assert (reply.status, reply.code, reply.headers["connection"]) == (400, "invalid_request", "close"), attack[:80]
    assert await client.closed(), attack[:80]
    client.hang_up()
    return reply


def test_what_two_servers_could_read_differently_is_refused(run):
    seen = []

    async def main():
        async with serving(handler(seen)) as served:
            for attack in AMBIGUOUS_HEADS:
                await refused(served, attack)
                assert seen == []
            await served.works()

    run(main())


def test_broken_chunks_are_refused_and_what_follows_them_is_no_request(run):
    seen = []

    async def main():
        async with serving(handler(seen)) as served:
            for attack in BROKEN_CHUNKS:
                await refused(served, POST + b"Transfer-Encoding: chunked\r\n\r\n" + attack + GOOD)
            assert seen == ["/v1/messages"] * len(BROKEN_CHUNKS)
            await served.works()

    run(main())


def test_a_refusal_knows_the_path_where_it_can_be_told(run):
    async def main():
        async with serving(echo) as served:
            reply = await refused(served, b"POST /v1/messages?q=1 HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n")
            assert json.loads(reply.body)["path"] == "/v1/messages"
            assert json.loads((await refused(served, b"\x00\x01\x02\x03")).body)["path"] == ""

    run(main())


def test_random_bytes_are_refused(run):
    noise = random.Random(9)

    async def main():
        async with serving(echo) as served:
            for _ in range(5):
                await refused(served, noise.randbytes(100_000))
                await served.works()

    run(main())


def test_an_upgrade_is_ignored(run):
    async def main():
        async with serving(echo) as served:
            client = await served.dial()
            wish = b"Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
            for request, body in (
                (b"\r\n", ""),
                (b"Content-Length: 2\r\n\r\nab", "ab"),
                (b"Transfer-Encoding: chunked\r\n\r\n" + BODY, "hello"),
            ):
                assert json.loads((await client.ask(POST + wish + request)).body)["body"] == body
            assert (await client.ask(GOOD)).status == 200

    run(main())


@pytest.mark.parametrize("name", [b"X", b"X-%d"], ids=["repeated", "different"])
def test_heads_have_a_size(run, name):
    limits = ServerLimits(max_head_bytes=4096, max_headers=10)

    async def main():
        async with serving(echo, limits) as served:
            for count, ok in ((9, True), (10, False)):
                lines = b"".join((name.replace(b"%d", b"%d" % each)) + b": y\r\n" for each in range(count))
                head = b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"
                if ok:
                    assert (await (await served.dial()).ask(head)).status == 200
                else:
                    await refused(served, head)
            for size, end in ((4096, b"\r\n\r\n"), (4096, b""), (1_000_000, b"")):
                await refused(served, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * size + end)
            await served.works()

    run(main())


def test_a_head_that_drips_is_refused_and_silence_is_closed(run):
    limits = ServerLimits(head_timeout_s=0.2, keep_alive_s=0.2)

    async def main():
        async with serving(echo, limits) as served:
            silent, idle, dripping = [await served.dial() for _ in range(3)]
            assert (await idle.ask(GOOD)).status == 200
            idle.send(b"\r\n")
            drip = asyncio.ensure_future(dripping.reply())
            dripping.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            while not drip.done():
                dripping.send(b"y")
                await asyncio.sleep(0.01)
            assert drip.result().code == "invalid_request"
            assert await silent.closed()
            assert await idle.closed()
            await served.works()

    run(main())


@pytest.mark.parametrize("framing", [b"Content-Length: 5000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1388\r\n"])
def test_a_body_that_drips_is_refused(run, framing):
    async def main():
        async with serving(echo, ServerLimits(body_idle_s=0.2, body_min_bytes_per_s=1_000_000)) as served:
            client = await served.dial()
            client.send(POST + framing)
            drip = asyncio.ensure_future(client.reply())
            while not drip.done():
                client.send(b"y")
                await asyncio.sleep(0.01)
            assert (drip.result().status, drip.result().code) == (400, "invalid_request")
            await served.works()

    run(main())


def test_a_body_may_be_slow_but_not_slower_than_its_rate():
    limits = ServerLimits(body_idle_s=20.0, body_min_bytes_per_s=500)
    body = RequestBody(1_000_000, 100.0)
    assert body.due_s(limits) == 120.0
    body.feed(b"x" * 1000, 110.0)
    assert body.due_s(limits) == 122.0  # 20 s and 2 s for 1,000 bytes, from the start
    body.feed(b"x" * 100_000, 120.0)
    assert body.due_s(limits) == 140.0  # far ahead of its rate, but then 20 s for the next byte
    body.go_on(150.0)
    assert body.due_s(limits) == 170.0  # 30 s in which the server did not read are nobody's fault
    paused = RequestBody(1_000_000, 100.0)
    paused.feed(b"x" * 1000, 110.0)
    paused.go_on(150.0)
    assert paused.due_s(limits) == 162.0
    extensions = RequestBody(CHUNKED, 100.0)
    extensions.feed(b"5;" + b"x" * 1000, 119.0)
    assert extensions.due_s(limits) == 120.0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_reads_nothing_is_cut_off(run, streamed):
    ended = []

    async def handle(exchange):
        if exchange.path == "/good":
            exchange.reply(200, b"", b"")
        elif streamed:
            exchange.start(200, b"")
            try:
                while True:
                    await exchange.write(b"x" * 65_536)
            finally:
                ended.append(exchange.path)
        else:
            exchange.reply(200, b"", b"x" * 50_000_000)

    async def main():
        async with serving(handle, ServerLimits(write_idle_s=0.2)) as served:
            client = await served.dial(receive_bytes=4096)
            client.writer.transport.pause_reading()
            client.send(POST + (b"\r\n" if streamed else b"Connection: close\r\n\r\n") + GOOD)
            await until(lambda: served.server.connections == 1)
            await until(lambda: served.server.connections == served.server.in_flight == 0)
            assert ended == (["/v1/messages"] if streamed else [])
            await served.works()

    run(main())


def test_pipelined_requests_that_nobody_reads_the_answers_of_are_not_taken_in(run):
    handled = [0]

    async def handle(exchange):
        handled[0] += exchange.path == "/big"
        exchange.reply(200, b"", b"x" * 1_000_000 if exchange.path == "/big" else b"")

    async def main():
        async with serving(handle) as served:
            client = await served.dial(receive_bytes=4096)
            client.writer.transport.pause_reading()
            client.send(BIG * 1_000_000)
            await until(lambda: handled[0] > 0)
            for _ in range(60):
                await served.works()
            assert handled[0] < 30
            assert client.writer.transport.get_write_buffer_size() > 0

    run(main())


def test_what_waits_for_its_turn_is_not_read_without_bound(run):
    handled = [0]

    async def handle(exchange):
        handled[0] += 1
        exchange.reply(200, b"", b"")

    async def main():
        async with serving(handle) as served:
            client = await served.dial()
            client.send(GOOD * 1_000_000)
            await until(lambda: handled[0] > 300)
            assert client.writer.transport.get_write_buffer_size() > 10_000_000

    run(main())


def test_requests_that_come_one_by_one_wait_until_their_answers_are_read(run):
    handled = [0]

    async def handle(exchange):
        handled[0] += exchange.path == "/big"
        exchange.reply(200, b"", b"x" * 1_000_000 if exchange.path == "/big" else b"")

    async def main():
        async with serving(handle) as served:
            client = await served.dial(receive_bytes=4096)
            client.writer.transport.pause_reading()
            for _ in range(60):
                client.send(BIG)
                await served.works()
            # What the kernel's buffers take and one more, not one for each request.
            assert 0 < handled[0] < 30
            client.writer.transport.resume_reading()
            for _ in range(60):
                assert len((await client.reply()).body) == 1_000_000

    run(main())


def test_after_a_refusal_the_rest_is_read_and_not_answered_with_a_reset(run):
    async def main():
        async with serving(echo) as served:
            loop = asyncio.get_running_loop()
            for attack in (b"\x00", POST + b"Content-Length: 9000000\r\n\r\n"):
                with socket.socket() as sock:
                    sock.setblocking(False)
                    await loop.sock_connect(sock, served.address)
                    await loop.sock_sendall(sock, attack)
                    assert (await loop.sock_recv(sock, 65_536)).startswith(b"HTTP/1.1 4")
                    for _ in range(5):
                        await loop.sock_sendall(sock, b"x" * 1000)
                        await served.works()
                    sock.shutdown(socket.SHUT_WR)
                    assert await loop.sock_recv(sock, 65_536) == b""

    run(main())


SEEDS = [
    GOOD,
    POST + b"Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello" + GOOD,
    POST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" + BODY + GOOD,
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
]
PIECES = st.sampled_from([
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b":", b";", b"\r\n\r\n", b"0", b"ffffffff", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"HTTP/1.0", b"HTTP/1.1", b"Connection: close\r\n", b"Expect: 100-continue\r\n",
    b"\xff", b"GET ", b"/",
])  # fmt: skip


@st.composite
def mutated(draw):
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        drop = draw(st.integers(0, 12))
        data = data[:at] + draw(PIECES | st.binary(max_size=4)) + data[at + drop :]
    return data


@settings(max_examples=60, deadline=None)
@given(attacks=st.lists(mutated(), min_size=4, max_size=8), loop=st.sampled_from([asyncio.run, uvloop.run]))
def test_mutated_requests_get_valid_replies_or_a_closed_connection(attacks, loop):
    async def handle(exchange):
        exchange.reply(200, b"", await exchange.body(1 << 20))

    async def main():
        async with serving(handle) as served:
            for attack in attacks:
                client = await served.dial()
                client.send(attack)
                client.writer.write_eof()
                replies, rest = await client.replies()
                assert {reply.status for reply in replies} <= {100, 200, 400}, attack
                assert rest == b"", attack
                client.hang_up()
            await served.works()

    loop(main())


class Reference:
    """llhttp's own view of where a message's head and body end."""

    def __init__(self):
        self.heads = self.ends = 0
        self.lines = 0
        self.body = b""

    def on_header(self, name, value):
        self.lines += 1

    def on_headers_complete(self):
        self.heads += 1

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        self.ends += 1


@settings(max_examples=400, deadline=None)
@given(data=mutated())
def test_a_head_that_is_accepted_ends_where_llhttp_says(data):
    head = data[: data.find(b"\r\n\r\n") + 4]
    try:
        parsed = parse_head(head, 100)
    except InvalidRequest:
        return
    reference = Reference()
    parser = httptools.HttpRequestParser(reference)
    parser.feed_data(head[:-1])
    assert reference.heads == 0
    try:
        parser.feed_data(head[-1:])
    except httptools.HttpParserUpgrade:
        assert "upgrade" in parsed.headers
    assert reference.heads == 1
    assert reference.lines >= len(parsed.headers)


@settings(max_examples=400, deadline=None)
@given(
    data=st.lists(PIECES | st.sampled_from([b"5\r\nhello\r\n", b"1;a=b\r\nx\r\n", b"0\r\n", b"T: u\r\n", b"\r\n"]), max_size=8).map(
        b"".join
    ),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_a_chunked_body_that_is_accepted_is_what_llhttp_reads(data, cuts):
    data += b"0\r\n\r\n" + GOOD
    whole = bytearray()
    try:
        rest = ChunkCutter().cut(data, whole)
    except InvalidRequest:
        rest = None
    pieces, cutter, outcome = bytearray(), ChunkCutter(), None
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    try:
        for start, end in pairwise(bounds):
            outcome = cutter.cut(data[start:end], pieces)
            if outcome is not None:
                outcome += data[end:]
                break
    except InvalidRequest:
        outcome = None
    assert outcome == rest
    if rest is not None:
        assert pieces == whole
        reference = Reference()
        parser = httptools.HttpRequestParser(reference)
        parser.feed_data(POST + b"Transfer-Encoding: chunked\r\n\r\n" + data[: len(data) - len(rest)])
        assert (reference.body, reference.ends) == (bytes(whole), 1)
