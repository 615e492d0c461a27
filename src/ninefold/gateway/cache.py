"""Whole answers that are given again for exactly the same request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import StreamInterrupted
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage

MAX_ENTRY_BYTES = 4 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 1024  # the entry itself, its key and its place in the order


class Kept(msgspec.Struct, kw_only=True):
    """One answer, with the place kept free for what is added to it for each caller. `said` is what a stream says before its `tail`,
    None for an answer that came whole."""

    deployment: Deployment
    tail: Splice
    tool_calls: tuple[ToolCall, ...]
    content_type: str
    said: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes up."""
        said = 0 if self.said is None else len(self.said)
        calls = sum(len(call.arguments) for call in self.tool_calls)
        return said + calls + len(self.tail.before) + len(self.tail.after) + _OVERHEAD_BYTES

    def again(self) -> Whole | KeptStream:
        """The answer once more, which nobody is billed for."""
        if self.said is None:
            return Whole(body=self.tail, tool_calls=self.tool_calls, content_type=self.content_type)
        return KeptStream(self.said, self.tail, self.tool_calls)


class KeptStream:
    """`Stream` of an answer that is known to its end."""

    usage: Usage = NO_USAGE

    def __init__(self, said: bytes, tail: Splice, tool_calls: tuple[ToolCall, ...]) -> None:
        self._said = said
        self._aborted = False
        self.tail = tail
        self.tool_calls = tool_calls

    async def next(self) -> bytes | None:
        """See the port."""
        if self._aborted:
            raise StreamInterrupted("The answer was stopped before all of it had left.")
        said, self._said = self._said, b""
        return said or None

    def abort(self) -> None:
        """See the port."""
        self._aborted = True
        self._said = b""


class ExactCache:
    """A worker's kept answers, each for its own time; the one that was not asked for the longest goes first where there is no room.

    `monotonic` tells seconds.
    """

    def __init__(self, monotonic: Callable[[], float], *, max_bytes: int = MAX_BYTES) -> None:
        self._monotonic = monotonic
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, tuple[float, int, Kept]] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Kept | None:
        """The answer under `key`, unless its time is up."""
        found = self._entries.get(key)
        if found is None:
            return None
        until, _, kept = found
        if until <= self._monotonic():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept

    def put(self, key: bytes, kept: Kept, ttl_s: float) -> None:
        """`kept` stands for `ttl_s`; one that is too large is not kept."""
        size = kept.size_bytes
        self._drop(key)
        if size > min(MAX_ENTRY_BYTES, self._max_bytes):
            return
        self._entries[key] = (self._monotonic() + ttl_s, size, kept)
        self.size_bytes += size
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.size_bytes -= found[1]
