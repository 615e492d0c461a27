"""A streamed answer that is kept back until its deployment has finished it."""

from __future__ import annotations

from collections import deque
from typing import Final

from ninefold.domain.answer import Splice
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import StreamInterrupted, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.ports.upstream import Stream

# A long answer of today's models, 128k tokens in events of some 200 bytes, has 25 MB as a stream of one token an event and 3 MB as vendors
# really send it; more than this is no answer to wait for, and a worker holds many at once.
MAX_HELD_BYTES: Final = 16 * 1024 * 1024


class TooLongToHold(UpstreamRejected):
    """The answer is longer than what is kept back: no other deployment would do better."""


class HeldStream:
    """`Stream` of an answer that is complete after `fill`: its pieces, as they came.

    Whoever waits sees nothing before the last word is there; an answer that breaks off can be had from another deployment instead.
    """

    __slots__ = ("_aborted", "_held_bytes", "_pieces", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._aborted = False

    async def fill(self) -> None:
        """The deployment has finished. Raises: what broke the answer off; TooLongToHold, and then the upstream is stopped."""
        while (data := await self._stream.next()) is not None:
            self._held_bytes += len(data)
            if self._held_bytes > MAX_HELD_BYTES:
                self._stream.abort()
                self._pieces.clear()
                raise TooLongToHold(f"The answer is longer than the {MAX_HELD_BYTES >> 20} MiB that are held back for this model.")
            self._pieces.append(data)

    @property
    def so_far(self) -> bytes:
        """What is held now, in the caller's protocol."""
        return b"".join(self._pieces)

    async def next(self) -> bytes | None:
        """See the port."""
        if self._aborted:
            raise StreamInterrupted("The answer was stopped before all of it had left.")
        return self._pieces.popleft() if self._pieces else None

    @property
    def tail(self) -> Splice:
        """See the port."""
        return self._stream.tail

    @property
    def usage(self) -> Usage:
        """See the port."""
        return self._stream.usage

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """See the port."""
        return self._stream.tool_calls

    def abort(self) -> None:
        """See the port."""
        self._aborted = True
        self._pieces.clear()
        self._stream.abort()
