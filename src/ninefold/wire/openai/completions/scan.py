"""A streamed legacy completion of a vendor that has them itself, passed on under the caller's name for the model."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.wire import vendor_json
from ninefold.wire.json_members import ABSENT, is_given
from ninefold.wire.openai.chat.passthrough import WireUsage, renamed, to_usage
from ninefold.wire.openai.failures import event_error
from ninefold.wire.sse import EventReader, event


class _Choice(msgspec.Struct):
    text: str = ""
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    model: str = ""
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    error: msgspec.Raw = ABSENT


_chunk = msgspec.json.Decoder(_Chunk)


class CompletionScan:
    """`StreamScan` for one answer. The last object is kept until the vendor has said that it is done."""

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"")
        self.tool_calls: tuple[ToolCall, ...] = ()
        self._call = call
        self._reader = EventReader()
        self._held = b""
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._usage: Usage | None = None
        self._events = 0
        self._content_bytes = 0

    @property
    def usage(self) -> Usage:
        """As reported at the end; else estimated from what was passed on."""
        if self._usage is not None:
            return self._usage
        produced = max(self._events, (self._content_bytes + 3) // 4)
        return Usage(input_tokens=(len(self._call.body) + 3) // 4, output_tokens=produced, estimated=True)

    def feed(self, data: bytes) -> bytes:
        """The events of `data` that the caller may have now."""
        out: list[bytes] = []
        for _, payload in self._reader.feed(data):
            if self.complete:
                break
            try:
                if payload == b"[DONE]":
                    self._finish(b"data: [DONE]\n\n")
                    break
                out.append(self._pass(payload))
            except NinefoldError as error:
                self.failed = error
                break
        if self.failed is not None and not (self.started and any(out)):
            raise self.failed
        return b"".join(out)

    def end(self) -> None:
        """A finished answer without `[DONE]` counts as complete, as for chat completions."""
        if not self.complete:
            self._finish(b"")

    def _pass(self, payload: bytes) -> bytes:
        chunk = vendor_json.read(_chunk, payload, "a chunk of a completion")
        if is_given(chunk.error):
            raise event_error(bytes(chunk.error))
        if chunk.usage is not None:
            self._usage = to_usage(chunk.usage)
        if not chunk.choices and not (chunk.usage is not None and self._call.include_usage):
            return b""  # asked for by us, not by the caller
        for choice in chunk.choices:
            self.started = True
            self._open.add(choice.index)
            if choice.text:
                self._events += 1
                self._content_bytes += len(choice.text.encode())
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
        released = self._held
        self._held = event(renamed(payload, chunk.model, self._call.model) if chunk.model else payload)
        if not self._finished:
            released, self._held = released + self._held, b""
        return released

    def _finish(self, done: bytes) -> None:
        if not self._finished or self._open != self._finished:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
        self.complete = True
        last = self._held.rstrip()
        self.tail = Splice(before=last[:-1], after=b"}\n\n" + done)
