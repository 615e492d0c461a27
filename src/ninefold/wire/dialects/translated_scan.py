"""A streamed answer from a vendor of one protocol to a caller of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import (
    Delta,
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.wire.dialects.surfaces import Encoder, encoder
from ninefold.wire.sse import EventReader


class Decoder(Protocol):
    """Reads one streamed answer in the vendor's protocol."""

    done: bool

    def feed(self, name: str, data: bytes) -> list[Delta]:
        """The deltas of one event. Raises: the vendor's error; UpstreamRejected."""
        ...


class Reader(Protocol):
    """Cuts a vendor's bytes into events."""

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        """The name and payload of each event that `data` completes."""
        ...


class TranslatedScan:
    """`StreamScan` for one answer: vendor events become deltas, deltas become events of the caller's protocol."""

    def __init__(self, call: ModelCall, decoder: Decoder, reader: Reader | None = None) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"")
        self._call = call
        self._reader: Reader = EventReader() if reader is None else reader
        self._decoder = decoder
        self._encoder: Encoder | None = None
        self._head = b""
        self._finished = False
        self._usage: Usage | None = None
        self._reported = False
        self._deltas = 0
        self._content_bytes = 0
        self._tools: dict[tuple[int, int], list[str]] = {}

    @property
    def usage(self) -> Usage:
        """As reported once the answer has ended; until then the output side is estimated."""
        known = self._usage
        if known is not None and self._finished and self._reported:
            return known
        produced = max(self._deltas, (self._content_bytes + 3) // 4)
        guessed = (len(self._call.body) + 3) // 4
        return Usage(
            input_tokens=guessed if known is None or not known.input_tokens else known.input_tokens,
            output_tokens=produced,
            cached_input_tokens=0 if known is None else known.cached_input_tokens,
            cache_write_tokens=0 if known is None else known.cache_write_tokens,
            estimated=True,
        )

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls assembled so far."""
        return tuple(ToolCall(call_id=c[0], name=c[1], arguments="".join(c[2:])) for _, c in sorted(self._tools.items()))

    def feed(self, data: bytes) -> bytes:
        """The caller's events for `data`."""
        out: list[bytes] = []
        for name, payload in self._reader.feed(data):
            if self.complete:
                break
            try:
                for delta in self._decoder.feed(name, payload):
                    self._note(delta)
                    out.append(self._write(delta))
                if self._decoder.done:
                    self._complete()
            except NinefoldError as error:
                self.failed = error
                break
        if self.failed is not None and not (self.started and any(out)):
            raise self.failed
        passed = b"".join(out)
        if not self.started:
            self._head += passed
            return b""
        if self._head:
            passed = self._head + passed
            self._head = b""
        return passed

    def end(self) -> None:
        """A finished answer whose protocol's last word is missing counts as complete if the body ended properly."""
        if self.complete:
            return
        if not self._finished:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
        self._complete()

    def _write(self, delta: Delta) -> bytes:
        if self._encoder is None:
            opened = delta if isinstance(delta, Opened) else Opened(result_id="", model="")
            self._encoder = encoder(self._call, opened)
            if not isinstance(delta, Opened):
                return self._encoder.encode(opened) + self._encoder.encode(delta)
        return self._encoder.encode(delta)

    def _note(self, delta: Delta) -> None:
        match delta:
            case Opened(usage=usage):
                self._usage = usage
            case UsageReported(usage=usage):
                self._usage = usage
                self._reported = True
            case TextDelta(text=text) | RefusalDelta(text=text) | ReasoningDelta(text=text):
                self._content(text)
            case ToolCallOpened():
                self._tools[delta.choice, delta.index] = [delta.call_id, delta.name]
                self.started = True
            case ToolCallDelta():
                self._tools.setdefault((delta.choice, delta.index), ["", ""]).append(delta.arguments)
                self._content(delta.arguments)
            case Finished():
                self._finished = True
                self.started = True

    def _content(self, text: str) -> None:
        if text:
            self.started = True
            self._deltas += 1
            self._content_bytes += len(text.encode())

    def _complete(self) -> None:
        if not self._finished or self._encoder is None:
            raise StreamInterrupted("The upstream said that it was done without finishing the answer.")
        before, after = self._encoder.finish()
        self.complete = True
        self.tail = Splice(before=before, after=after)
