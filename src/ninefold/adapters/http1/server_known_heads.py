"""The heads that were parsed a moment ago, because a client on a kept connection sends the same one again and again."""

from __future__ import annotations

from ninefold.adapters.http1.server_head import RequestHead, parse_head

_LENGTH_LINES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
# Bounds what clients can fill. Nothing is thrown out for a newcomer: the whole is forgotten every second anyway.
_HEADS = 512
_HEAD_BYTES = 2048


class KnownHeads:
    """Law: a head is known by every byte of it but the digits of its content-length, and only after it passed every check of
    `parse_head`, so what is answered from here is what parsing would have said. They hold credentials: `forget` is called every second.
    """

    __slots__ = ("_known", "_max_headers")

    def __init__(self, max_headers: int) -> None:
        self._max_headers = max_headers
        self._known: dict[bytes | tuple[bytes, bytes], RequestHead] = {}

    def read(self, head: bytes) -> RequestHead:
        """The request that `head`, which ends with its first empty line, announces. Raises: InvalidRequest."""
        before, line, after = head.partition(_LENGTH_LINES[0])
        if not line:
            before, line, after = head.partition(_LENGTH_LINES[1])
        if not line:
            return self._known.get(head) or self._parse(head, head)
        digits, _, after = after.partition(b"\r\n")
        if len(digits) > 18 or not digits.isdigit():
            return parse_head(head, self._max_headers)
        key = (before, after)
        known = self._known.get(key)
        if known is None:
            return self._parse(head, key)
        length = digits.decode("ascii")
        if known.headers["content-length"] == length:
            return known
        return RequestHead(
            known.method,
            known.path,
            known.query,
            {**known.headers, "content-length": length},
            int(length),
            known.keep_alive,
            known.chunks_understood,
            known.expects_continue,
        )

    def forget(self) -> None:
        """No head is known."""
        self._known.clear()

    def _parse(self, head: bytes, key: bytes | tuple[bytes, bytes]) -> RequestHead:
        parsed = parse_head(head, self._max_headers)
        if len(head) <= _HEAD_BYTES and len(self._known) < _HEADS:
            self._known[key] = parsed
        return parsed
