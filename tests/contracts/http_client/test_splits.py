"""Where the network cuts the bytes of an answer makes no difference."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.adapters.http1.connection import Connection
from ninefold.adapters.http1.response import Http1Response
from ninefold.domain.errors import NinefoldError

from .scripted import drain

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class _Ground:
    """An owner and a transport for a connection without a network: bytes are handed in directly."""

    def __init__(self) -> None:
        self.watched: set[Http1Response] = set()
        self.free = 0

    def released(self, connection: Connection) -> None:
        self.free += 1

    def lost(self, connection: Connection) -> None: ...


class _Wire(asyncio.Transport):
    def write(self, data: object) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


def _outcome(pieces: list[bytes], *, eof: bool) -> tuple[int, dict[bytes, bytes], bytes, str, int]:
    loop = asyncio.new_event_loop()
    try:
        ground = _Ground()
        connection = Connection(ground, 30.0)
        connection.connection_made(_Wire())
        response = Http1Response(loop, first_byte_by=1e9, idle_s=1e9, total_by=1e9)
        connection.begin(response, b"", b"", is_head=False, closing=False)
        for piece in pieces:
            connection.data_received(piece)
        if eof:
            connection.eof_received()
        try:
            body = loop.run_until_complete(asyncio.wait_for(drain(response), 5)) if response.status else b""
            end = "complete" if response.complete else type(response.failure).__name__
        except NinefoldError as exc:
            body, end = b"", type(exc).__name__
        return response.status, dict(response.headers), body, end, ground.free
    finally:
        loop.close()


@settings(max_examples=150, deadline=None)
@given(
    answer=st.sampled_from(
        [
            HEAD + b"X-A: 1\r\ncontent-length: 11\r\n\r\nhello world",
            CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx-t: 1\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"content-length: 2\r\n\r\nok",
            HEAD + b"\r\nuntil the end",
            HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
            HEAD + b"content-length: 20\r\n\r\ntoo short",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        ]
    ),
    cuts=st.lists(st.integers(0, 120), max_size=12),
)
def test_any_split_of_the_bytes_parses_the_same(answer: bytes, cuts: list[int]) -> None:
    points = sorted({min(c, len(answer)) for c in cuts} | {0, len(answer)})
    pieces = [answer[a:b] for a, b in pairwise(points)]
    eof = b"until the end" in answer or b"too short" in answer
    assert _outcome(pieces, eof=eof) == _outcome([answer], eof=eof)
