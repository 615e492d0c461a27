"""A head that is known is read as parsing would read it, and nothing that parsing refuses ever becomes known."""

import asyncio
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.adapters.http1.server_head import parse_head
from ninefold.adapters.http1.server_known_heads import KnownHeads
from ninefold.adapters.http1.server_state import ServerLimits, ServerState
from ninefold.domain.errors import InvalidRequest

LINES = [
    b"Host: here\r\n", b"Host: there\r\n", b"content-length: 5\r\n", b"Content-Length: 5\r\n", b"Content-Length: 17\r\n",
    b"Content-Length: 017\r\n", b"content-length: 17\r\n", b"CONTENT-LENGTH: 6\r\n", b"Content-Length:7\r\n", b"Content-Length: 5 \r\n",
    b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: \r\n", b"Content-Length: 9999999999999999999\r\n",
    b"Content-Length: 5\r\n 6\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n",
    b"X: Content-Length: 5\r\n", b"X: \r\n", b"X : y\r\n", b"Expect: 100-continue\r\n", b"Content-Length: \xb2\r\n",
]  # fmt: skip
HEADS = st.builds(
    lambda first, lines: first + b"".join(lines) + b"\r\n",
    st.sampled_from([b"POST /p HTTP/1.1\r\n", b"POST /p HTTP/1.0\r\n", b"GET /p?q HTTP/1.1\r\n"]),
    st.lists(st.sampled_from(LINES), max_size=4),
)


def read(reader, head):
    try:
        return astuple(reader(head))
    except InvalidRequest as error:
        return str(error)


@given(st.lists(HEADS, max_size=30))
def test_reading_twice_says_what_parsing_says(heads):
    known = KnownHeads(3)
    for head in [*heads, *heads]:
        assert read(known.read, head) == read(lambda each: parse_head(each, 3), head)


HEAD = b"POST /p HTTP/1.1\r\nHost: here\r\nContent-Length: %b\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    "length", [b"+5", b"5 5", b"", b"-1", b"5\r\nContent-Length: 5", b"5\r\nTransfer-Encoding: chunked", b"1" * 19, b"5\n6"]
)
def test_a_known_head_does_not_vouch_for_another_length_line(length):
    known = KnownHeads(100)
    assert known.read(HEAD % b"5").length == 5
    assert known.read(HEAD % b"23").headers["content-length"] == "23"
    with pytest.raises(InvalidRequest):
        known.read(HEAD % length)
    assert known.read(HEAD % b"5").length == 5


def test_a_known_head_is_not_parsed_again_until_it_is_forgotten():
    known = KnownHeads(100)
    first = known.read(HEAD % b"5")
    assert known.read(HEAD % b"5") is first
    known.forget()
    assert known.read(HEAD % b"5") is not first


def test_clients_cannot_fill_it():
    known = KnownHeads(100)
    for number in range(2000):
        known.read(HEAD.replace(b"/p", b"/%d" % number) % b"5")
    last = HEAD.replace(b"/p", b"/1999") % b"5"
    assert known.read(last) is not known.read(last)
    long = KnownHeads(100)
    head = HEAD.replace(b"y", b"y" * 5000) % b"5"
    assert long.read(head) is not long.read(head)


def test_credentials_are_forgotten_with_the_second(monkeypatch):
    async def main():
        now = [1_000_000_000.0]
        monkeypatch.setattr("ninefold.adapters.http1.server_state.time.time", lambda: now[0])
        state = ServerState(None, None, ServerLimits(), asyncio.get_running_loop())
        first = state.known_heads.read(HEAD % b"5")
        state.tick()
        assert state.known_heads.read(HEAD % b"5") is first
        now[0] += 1
        state.tick()
        assert state.known_heads.read(HEAD % b"5") is not first

    asyncio.run(main())
