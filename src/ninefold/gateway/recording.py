"""An answer while it is produced, for several callers at once."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Coroutine

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted, Unavailable
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.gateway.cache import MAX_ENTRY_BYTES, Kept
from ninefold.ports.upstream import Stream

# The upstream is at most so far ahead of the caller that reads fastest: that caller's pace reaches it.
AHEAD_BYTES = 1024 * 1024
# Who reads more slowly may be so far behind; the bytes wait here for him.
BEHIND_BYTES = 16 * 1024 * 1024


class Recording:
    """One upstream's answer from its beginning, as far as it is there.

    `run` is the task that produces it. It is stopped when the last reader has gone, and only then. What nobody who keeps up can still
    need is forgotten beyond `BEHIND_BYTES`; from then on nobody can join.
    """

    def __init__(self) -> None:
        self.deployment: Deployment | None = None
        self.whole: Whole | None = None
        self.stream: Stream | None = None
        self.ended = False
        self._error: Exception | None = None
        self._pieces: list[bytes] = []
        self._forgotten = 0
        self._kept_bytes = self._all_bytes = 0
        self._readers: set[Reader] = set()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ── the side that produces ──

    def run(self, work: Coroutine[None, None, None]) -> None:
        """`work` produces the answer, for as long as anybody reads."""
        self._task = asyncio.create_task(work)

    def begin(self, deployment: Deployment, got: Whole | Stream) -> None:
        """The first content is there, or all of it."""
        self.deployment = deployment
        if isinstance(got, Whole):
            self.whole = got
        else:
            self.stream = got
        self._news()

    async def add(self, data: bytes) -> None:
        """The readers can have `data`; returns once the fastest of them has come near."""
        self._pieces.append(data)
        self._kept_bytes += len(data)
        self._all_bytes += len(data)
        if self._kept_bytes > MAX_ENTRY_BYTES:
            self._forget()
        self._news()
        while self._readers and self._all_bytes - max(reader.read_bytes for reader in self._readers) > AHEAD_BYTES:
            await self._moved.wait()

    def _forget(self) -> None:
        """Too much for a cache: what all have read goes, and what is too far behind the fastest."""
        slowest = min((reader.place for reader in self._readers), default=0)
        while len(self._pieces) > 1 and (self._forgotten < slowest or self._kept_bytes > BEHIND_BYTES):
            self._kept_bytes -= len(self._pieces.pop(0))
            self._forgotten += 1

    def end(self) -> None:
        """The answer is complete."""
        self.ended = True
        self._news()

    def fail(self, error: Exception) -> None:
        """There will be no more of it; every reader that has read so far hears why."""
        self._error = error
        self._news()

    # ── the side that reads ──

    @property
    def joinable(self) -> bool:
        """Whether one who comes now can still have all of it."""
        return self._error is None and not self._forgotten and (self.ended or bool(self._readers))

    @property
    def alone(self) -> bool:
        """Whether nobody reads it any more."""
        return not self._readers

    def join(self, *, leads: bool = False) -> Reader:
        """A reader that has read nothing yet; only the one that `leads` is told what the upstream used."""
        reader = Reader(self, leads=leads)
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """`reader` wants no more; without any, the upstream is stopped."""
        self._readers.discard(reader)
        self._news()
        if not self._readers and self._task is not None and not self.ended:
            self._task.cancel()

    def kept(self) -> Kept | None:
        """The whole answer for later, None where it is not complete or too large."""
        if not self.ended or self.deployment is None or self._forgotten or self._all_bytes > MAX_ENTRY_BYTES:
            return None
        whole, stream = self.whole, self.stream
        if whole is not None:
            if whole.status >= 300:
                return None
            return Kept(deployment=self.deployment, tail=whole.body, tool_calls=whole.tool_calls, content_type=whole.content_type)
        if stream is None:
            return None
        return Kept(
            deployment=self.deployment, tail=stream.tail, tool_calls=stream.tool_calls, content_type="", said=b"".join(self._pieces)
        )

    def piece(self, place: int) -> bytes | None:
        """The piece of this number, None while it is not there. Raises: Unavailable where it is forgotten; what broke the answer off."""
        index = place - self._forgotten
        if index < 0:
            raise Unavailable("This caller read so slowly that the answer which it shares with others is gone: send the request again.")
        if index < len(self._pieces):
            return self._pieces[index]
        self.check()
        return None

    def check(self) -> None:
        """Raises what broke the answer off, if something did: a copy for each, since what is added to it is the reader's own."""
        error = self._error
        if error is not None:
            raise copy.copy(error) if isinstance(error, NinefoldError) else error

    async def news(self) -> None:
        """Something has changed."""
        await self._moved.wait()

    def moved(self) -> None:
        """A reader has come further."""
        if self._all_bytes > AHEAD_BYTES:
            self._news()

    def _news(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


class Reader:
    """`Stream` of one caller over a recording, at its own pace."""

    def __init__(self, recording: Recording, *, leads: bool) -> None:
        self._recording = recording
        self._leads = leads
        self.place = 0
        self._gone = False
        self.read_bytes = 0

    async def begin(self) -> tuple[Deployment, Whole | Reader]:
        """Who answers, and the answer once its first content is there. Raises: why there is none; the recording is left then."""
        recording = self._recording
        try:
            while recording.deployment is None or (recording.whole is not None and not recording.ended):
                recording.check()
                await recording.news()
        except BaseException:
            self.abort()
            raise
        whole = recording.whole
        if whole is None:
            return recording.deployment, self
        self.abort()
        if not self._leads:
            whole = Whole(body=whole.body, tool_calls=whole.tool_calls, content_type=whole.content_type, status=whole.status)
        return recording.deployment, whole

    async def next(self) -> bytes | None:
        """See the port."""
        recording = self._recording
        while not self._gone:
            try:
                data = recording.piece(self.place)
            except BaseException:
                self.abort()
                raise
            if data is not None:
                self.place += 1
                self.read_bytes += len(data)
                recording.moved()
                return data
            if recording.ended:
                self.abort()
                return None
            await recording.news()
        raise StreamInterrupted("The answer was stopped before all of it had left.")

    @property
    def tail(self) -> Splice:
        """See the port."""
        stream = self._recording.stream
        assert stream is not None
        return stream.tail

    @property
    def usage(self) -> Usage:
        """See the port; nothing for those who share what another pays."""
        stream = self._recording.stream
        return stream.usage if self._leads and stream is not None else NO_USAGE

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """See the port."""
        stream = self._recording.stream
        return () if stream is None else stream.tool_calls

    def abort(self) -> None:
        """See the port; the upstream goes on for the others."""
        if not self._gone:
            self._gone = True
            self._recording.leave(self)
