"""Binary event streams: what botocore reads, we read, however the bytes are cut; what does not add up is refused."""

from __future__ import annotations

import itertools
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.eventstream import event, exception, frame

from ninefold.domain.errors import UpstreamRejected
from ninefold.wire.bedrock.eventstream import FrameReader

FRAMES = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "wörld"}}),
    frame({":event-type": "empty", ":message-type": "event"}, b""),
    exception("throttlingException", "slow down"),
    frame({":message-type": "error", ":error-code": "InternalError", ":error-message": "broken"}, b""),
]
EXPECTED = [
    ("messageStart", b'{"role": "assistant"}'),
    ("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"text": "w\\u00f6rld"}}'),
    ("empty", b""),
    ("exception:throttlingException", b'{"message": "slow down"}'),
    ("error:InternalError", b"broken"),
]
DATA = b"".join(FRAMES)


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=12))
def test_any_split_gives_the_same_frames(cuts):
    reader = FrameReader()
    found = [one for a, b in itertools.pairwise([0, *sorted(cuts), len(DATA)]) for one in reader.feed(DATA[a:b])]
    assert found == EXPECTED
    assert not reader.pending


def test_botocore_reads_the_same_from_these_frames():
    buffer = EventStreamBuffer()
    buffer.add_data(DATA)
    theirs = list(buffer)
    assert [message.payload for message in theirs[:4]] == [payload for _, payload in EXPECTED[:4]]
    assert theirs[0].headers[":event-type"] == "messageStart"
    assert theirs[3].headers[":exception-type"] == "throttlingException"


def test_headers_of_every_type_are_read_over():
    # Source: the format's own table of types: true, false, byte, short, int, long, bytes, timestamp, uuid.
    values = [
        b"\x00",
        b"\x01",
        b"\x02x",
        b"\x03xx",
        b"\x04xxxx",
        b"\x05" + b"x" * 8,
        b"\x06\x00\x03abc",
        b"\x08" + b"x" * 8,
        b"\x09" + b"x" * 16,
    ]
    head = b"".join(b"\x01h" + value for value in values) + b"\x0b:event-type\x07\x00\x04last"
    assert FrameReader().feed(_raw(head, b"{}")) == [("last", b"{}")]


@pytest.mark.parametrize("at", [0, 5, 9, 14, 40, len(FRAMES[1]) - 1])
def test_a_flipped_bit_is_refused(at):
    broken = bytearray(FRAMES[1])
    broken[at] ^= 0x10
    with pytest.raises(UpstreamRejected, match="checksum"):
        FrameReader().feed(bytes(broken))


@pytest.mark.parametrize("head", [b"\x05ab", b"\x01h\x07\x00\x09ab", b"\x01h\x63", b"\x02\xff\xff\x00", b"\x01h\x07\x00"])
def test_headers_that_do_not_add_up_are_refused(head):
    with pytest.raises(UpstreamRejected, match="headers"):
        FrameReader().feed(_raw(head, b""))


def test_a_frame_larger_than_any_answer_is_refused_before_it_has_arrived():
    prelude = struct.pack(">II", 2**31, 0)
    with pytest.raises(UpstreamRejected, match="length"):
        FrameReader().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))
    prelude = struct.pack(">II", 20, 10)
    with pytest.raises(UpstreamRejected, match="length"):
        FrameReader().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


def test_half_a_frame_is_pending():
    reader = FrameReader()
    assert reader.feed(FRAMES[0][:-1]) == []
    assert reader.pending


def _raw(head: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return whole + struct.pack(">I", zlib.crc32(whole))
