"""How a journal's bytes are laid out: a header, then frames of length, checksum and payload.

A frame holds one record, or all records of one commit: that one has `_GROUP` added to its length, and its payload is a msgpack array.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from zlib import crc32

import msgspec

from ninefold.ports.journal import PieceEnd

MAGIC = b"9FOLDJNL"
VERSION = 1
MAX_FRAME_BYTES = 16 * 1024 * 1024

_FRAME = struct.Struct("<II")  # payload length, CRC-32 of the payload
_GROUP = 1 << 31  # beyond every length
# Source: the msgpack specification, "array format family": what begins an array of up to fifteen.
_ARRAYS = tuple(bytes([0x90 | count]) for count in range(16))
_pack = _FRAME.pack
_decode_group = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_HEAD = struct.Struct("<8sHHIIQ")  # magic, version, length of the worker's name, epoch, segment number, first sequence
_CRC = struct.Struct("<I")
_NAME = re.compile(r"(?P<worker>[A-Za-z0-9_.-]+)-(?P<epoch>\d{8,})-(?P<number>\d+)\.journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands at the start of each file; `first_sequence` is the number of its first record."""

    worker: str
    epoch: int
    number: int
    first_sequence: int


def file_name(worker: str, epoch: int, number: int) -> str:
    """The name of one segment."""
    return f"{worker}-{epoch:08d}-{number}.journal"


def parse_name(name: str) -> tuple[str, int, int] | None:
    """Worker, epoch and segment number of a file's name, None where it is not a journal's."""
    match = _NAME.fullmatch(name)
    return (match["worker"], int(match["epoch"]), int(match["number"])) if match else None


def encode_header(header: Header) -> bytes:
    """The bytes that open a file."""
    worker = header.worker.encode()
    head = _HEAD.pack(MAGIC, VERSION, len(worker), header.epoch, header.number, header.first_sequence) + worker
    return head + _CRC.pack(crc32(head))


def decode_header(data: bytes) -> tuple[Header, int] | PieceEnd:
    """The header and the offset behind it; or TORN where it is incomplete, CORRUPT where it is something else."""
    if len(data) < _HEAD.size:
        return PieceEnd.TORN if MAGIC.startswith(data[: len(MAGIC)]) else PieceEnd.CORRUPT
    magic, version, length, epoch, number, first = _HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        return PieceEnd.CORRUPT
    end = _HEAD.size + length
    if len(data) < end + _CRC.size:
        return PieceEnd.TORN
    if _CRC.unpack_from(data, end)[0] != crc32(data[:end]):
        return PieceEnd.CORRUPT
    worker = data[_HEAD.size : end].decode(errors="replace")
    return Header(worker=worker, epoch=epoch, number=number, first_sequence=first), end + _CRC.size


def encode_frame(records: list[bytes]) -> bytes:
    """One frame with all of `records`, which are msgpack."""
    count = len(records)
    if count == 1:
        payload = records[0]
        return _pack(len(payload), crc32(payload)) + payload
    begin = _ARRAYS[count] if count < 16 else b"\xdd" + count.to_bytes(4, "big")
    payload = begin + b"".join(records)
    return _pack(_GROUP | len(payload), crc32(payload)) + payload


def decode_frames(data: bytes, start: int) -> tuple[list[bytes], int, PieceEnd]:
    """The records of the whole frames from `start`, the offset behind them, and why it stops there."""
    payloads: list[bytes] = []
    offset, size = start, len(data)
    while size - offset >= _FRAME.size:
        word, checksum = _FRAME.unpack_from(data, offset)
        length = word & ~_GROUP
        if length > MAX_FRAME_BYTES:
            return payloads, offset, PieceEnd.CORRUPT
        end = offset + _FRAME.size + length
        if end > size:
            return payloads, offset, PieceEnd.TORN
        payload = data[offset + _FRAME.size : end]
        if crc32(payload) != checksum:
            return payloads, offset, PieceEnd.CORRUPT
        if word & _GROUP:
            try:
                payloads += map(bytes, _decode_group(payload))
            except msgspec.DecodeError:
                return payloads, offset, PieceEnd.CORRUPT
        else:
            payloads.append(payload)
        offset = end
    return payloads, offset, PieceEnd.CLEAN if offset == size else PieceEnd.TORN
