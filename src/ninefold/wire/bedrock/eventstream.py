"""Binary event streams, read from bytes cut anywhere.

A frame is its whole length and the length of its headers (32 bits each, big-endian), a CRC-32 over these eight bytes, the headers, the
payload, and a CRC-32 over everything before.
Source: smithy.io/2.0/aws/amazon-eventstream.html (`application/vnd.amazon.eventstream`).
"""

from __future__ import annotations

import struct
from binascii import crc32

from ninefold.domain.errors import UpstreamRejected

# How exceptions and errors are named beside ordinary events, whose names hold no colon.
EXCEPTION = "exception:"
ERROR = "error:"

_MAX_FRAME_BYTES = 16 * 1024 * 1024
_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LEAST_BYTES = _PRELUDE.size + _CRC.size
_SHORT = struct.Struct(">H")
# Values by their type: true and false have none, 6 and 7 say their own length; the rest are of a fixed size.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class FrameReader:
    """Turns a stream's bytes into (name, payload); a frame that has not arrived whole is never given out."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def pending(self) -> bool:
        """Whether the stream stands inside a frame."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The frames that `data` completed; an exception's name begins with `EXCEPTION`, an error's with `ERROR`, its message as payload.

        Raises: UpstreamRejected for a frame whose sums do not fit, and for one of over 16 MiB.
        """
        rest = self._rest
        rest += data
        frames: list[tuple[str, bytes]] = []
        at = 0
        while len(rest) - at >= _PRELUDE.size:
            length, header_bytes, checksum = _PRELUDE.unpack_from(rest, at)
            if crc32(rest[at : at + 8]) != checksum:
                raise UpstreamRejected("The upstream sent a frame whose first checksum does not fit.")
            if not _LEAST_BYTES + header_bytes <= length <= _MAX_FRAME_BYTES:
                raise UpstreamRejected("The upstream sent a frame of an impossible length.")
            if len(rest) - at < length:
                break
            frame = bytes(rest[at : at + length])
            if crc32(frame[:-4]) != _CRC.unpack_from(frame, length - 4)[0]:
                raise UpstreamRejected("The upstream sent a frame whose checksum does not fit.")
            body = _PRELUDE.size + header_bytes
            frames.append(_named(_headers(frame[_PRELUDE.size : body]), frame[body:-4]))
            at += length
        del rest[:at]
        return frames


def _named(headers: dict[str, str], payload: bytes) -> tuple[str, bytes]:
    kind = headers.get(":message-type", "event")
    if kind == "exception":
        return EXCEPTION + headers.get(":exception-type", ""), payload
    if kind == "error":
        return ERROR + headers.get(":error-code", ""), headers.get(":error-message", "").encode()
    return headers.get(":event-type", ""), payload


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are strings. Raises: UpstreamRejected where they do not fill their place exactly."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = data[at + 1 : name_end].decode()
            kind = data[name_end]
            at = name_end + 1
            if kind in {_BYTES, _STRING}:
                size = _SHORT.unpack_from(data, at)[0]
                at += _SHORT.size
            else:
                size = _FIXED[kind]
            if kind == _STRING:
                found[name] = data[at : at + size].decode()
            at += size
    except (UnicodeDecodeError, LookupError, struct.error) as error:
        raise UpstreamRejected("The upstream sent a frame whose headers cannot be read.") from error
    if at != len(data):
        raise UpstreamRejected("The upstream sent a frame whose headers are cut off.")
    return found
