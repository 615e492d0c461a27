from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import UpstreamRejected
from ninefold.wire.sse import EventReader, event

from .answers import relaxed

STREAM = (
    b'\xef\xbb\xbfevent: a\n: hello\ndata: one\ndata:two\nid: 7\n\ndata\ndata:  x\n\nretry: 5\n\nevent: only-a-name\n\ndata: {"k":1}\n\n'
)
EVENTS = [("a", b"one\ntwo"), ("", b"\n x"), ("", b'{"k":1}')]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@relaxed
@given(cuts=st.lists(st.integers(0, 120), max_size=20))
def test_events_are_the_same_however_the_bytes_are_cut_and_lines_end(end, cuts):
    data = STREAM.replace(b"\n", end)
    reader = EventReader()
    places = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    found = [e for a, b in pairwise(places) for e in reader.feed(data[a:b])]
    assert found == EVENTS
    assert not reader.pending


def test_one_byte_at_a_time():
    data = STREAM.replace(b"\n", b"\r\n")
    reader = EventReader()
    assert [e for i in range(len(data)) for e in reader.feed(data[i : i + 1])] == EVENTS


def test_an_event_without_its_blank_line_is_pending_and_not_given_out():
    reader = EventReader()
    assert reader.feed(b"data: {}\n") == []
    assert reader.pending
    assert reader.feed(b"\n") == [("", b"{}")]
    assert not reader.pending
    reader.feed(b"da")
    assert reader.pending


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 99, b"data: xxxxxxxxx\n", b"data: 12345678901234567890\n"])
def test_an_event_longer_than_the_bound_is_refused(piece):
    reader = EventReader(max_event_bytes=64)
    with pytest.raises(UpstreamRejected):
        [reader.feed(piece) for _ in range(20)]


def test_the_bound_is_for_one_event_not_for_the_stream():
    reader = EventReader(max_event_bytes=64)
    assert len([e for _ in range(100) for e in reader.feed(b"data: " + b"x" * 50 + b"\n\n")]) == 100


@relaxed
@given(data=st.binary(max_size=40), name=st.sampled_from(["", "error", "message_stop"]))
def test_what_is_written_is_read_back(data, name):
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert EventReader().feed(event(data, name)) == [(name, expected)]
