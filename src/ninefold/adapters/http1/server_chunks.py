"""A chunked request body, cut from its frames to the byte, which llhttp through httptools cannot tell."""

from __future__ import annotations

import re
from typing import Final

from ninefold.domain.errors import InvalidRequest

# RFC 9112 section 7.1. Extensions and trailers are read and ignored.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
_FRAMING = (b"content-length", b"transfer-encoding")
_LINE_BYTES: Final = 4096
_TRAILERS_BYTES: Final = 16_384
# A frame costs 1.5 us whatever it holds: many frames with next to nothing in them would stop everybody else.
_FREE_CHUNKS: Final = 4096
_BYTES_PER_CHUNK: Final = 16

_AT_SIZE, _AT_DATA, _AT_DATA_END, _AT_TRAILER = range(4)


class ChunkCutter:
    """Strict: lines end in CRLF, sizes are plain hexadecimal, data ends where its size says."""

    __slots__ = ("_at", "_chunks", "_left", "_line", "_payload_bytes", "_trailers_bytes")

    def __init__(self) -> None:
        self._at = _AT_SIZE
        self._left = 0
        self._line = b""
        self._chunks = 0
        self._payload_bytes = 0
        self._trailers_bytes = 0

    def cut(self, data: bytes, into: bytearray) -> bytes | None:
        """The payload of `data` is appended to `into`; what comes after the body, or None while it is not over.

        Raises: InvalidRequest.
        """
        at, end = 0, len(data)
        while at < end:
            if self._at == _AT_DATA:
                take = min(self._left, end - at)
                into += data[at : at + take]
                at += take
                self._left -= take
                if not self._left:
                    self._at = _AT_DATA_END
                continue
            stop = data.find(b"\n", at) + 1 or end
            line = self._line + data[at:stop]
            at = stop
            if len(line) > _LINE_BYTES:
                raise InvalidRequest("A line between the request's chunks is too long.")
            if self._at == _AT_DATA_END and line not in {b"\r", b"\r\n"}:
                raise InvalidRequest("A chunk of the request is not as long as it says.")
            if line[-1:] != b"\n":
                self._line = line
                return None
            self._line = b""
            if line[-2:] != b"\r\n":
                raise InvalidRequest("A line between the request's chunks does not end in CRLF.")
            if self._turn(line[:-2]):
                return data[at:]
        return None

    def _turn(self, line: bytes) -> bool:
        """What the line says holds from here; True for the body's last line."""
        if self._at == _AT_SIZE:
            found = _SIZE.fullmatch(line)
            if found is None:
                raise InvalidRequest("A chunk of the request has no valid size.")
            self._left = int(found.group(1), 16)
            self._at = _AT_DATA if self._left else _AT_TRAILER
            self._chunks += 1
            self._payload_bytes += self._left
            if self._chunks > _FREE_CHUNKS and self._left and self._payload_bytes < self._chunks * _BYTES_PER_CHUNK:
                raise InvalidRequest("The request comes in too many tiny chunks: send larger ones.")
        elif self._at == _AT_DATA_END:
            self._at = _AT_SIZE
        elif not line:
            return True
        else:
            self._trailers_bytes += len(line)
            if self._trailers_bytes > _TRAILERS_BYTES or _TRAILER.fullmatch(line) is None or line.lower().startswith(_FRAMING):
                raise InvalidRequest("The request's trailers are not valid.")
        return False
