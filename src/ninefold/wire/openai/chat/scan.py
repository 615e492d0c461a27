"""A streamed chat completion from an OpenAI-speaking vendor to an OpenAI caller, passed on nearly untouched."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.json_members import ABSENT, encode, is_given
from ninefold.wire.openai.chat.passthrough import WireToolCall, WireUsage, renamed, to_usage
from ninefold.wire.openai.failures import event_error
from ninefold.wire.whole_events import WholeEvents

_OPEN = b'"finish_reason":null'
_NO_TAIL = Splice(before=b"", after=b"")


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[WireToolCall] | None = None


class _Choice(msgspec.Struct):
    # Azure's asynchronous content filter sends its verdicts in choices without a delta, also after the finish.
    delta: _Delta = msgspec.field(default_factory=_Delta)
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    model: str = ""
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    error: msgspec.Raw = ABSENT


_chunk = msgspec.json.Decoder(_Chunk)


class ChatScan:
    """`StreamScan` for one answer.

    Plain content is recognised by counting, without decoding: a read whose events all say `"finish_reason":null` and mention neither
    usage nor tools nor an error is passed on with the model renamed. Everything else is decoded event by event.
    """

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = _NO_TAIL
        self._call = call
        self._events_of = WholeEvents()
        self._head = b""  # events before the first content
        self._held = b""  # the last event that might be the last object of the stream
        self._finished = False
        self._usage: Usage | None = None
        self._theirs: bytes | None = None
        self._ours = b""
        self._events = 0
        self._content_bytes = 0
        self._overhead_bytes = 0
        self._tools: dict[tuple[int, int], list[str]] = {}

    @property
    def usage(self) -> Usage:
        """As reported; else estimated from what was passed on: an event is at least a token, four bytes of text are about one."""
        if self._usage is not None:
            return self._usage
        if not self.started:
            return Usage(input_tokens=(len(self._call.body) + 3) // 4, estimated=True)
        produced = max(self._events, (self._content_bytes + 3) // 4)
        return Usage(input_tokens=(len(self._call.body) + 3) // 4, output_tokens=produced, estimated=True)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls assembled so far."""
        return tuple(ToolCall(call_id=c[0], name=c[1], arguments="".join(c[2:])) for _, c in sorted(self._tools.items()))

    def feed(self, data: bytes) -> bytes:
        """The events of `data` that the caller may have now."""
        whole = self._events_of.take(data)
        if not whole:
            return b""
        if self.started and not self._held:
            count = whole.count(b"\n\n")
            if (
                whole.count(_OPEN) == count
                and whole.find(b'"tool_calls"') < 0
                and whole.find(b'"usage":{') < 0
                and whole.find(b'"error"') < 0
                and self._theirs is not None
                and whole.count(self._theirs) == count
            ):
                self._events += count
                self._content_bytes += len(whole) - count * self._overhead_bytes
                return whole.replace(self._theirs, self._ours)
        return self._slow(whole)

    def end(self) -> None:
        """A finished answer without `[DONE]` counts as complete: some servers leave it out, and close the body properly."""
        if self.complete:
            return
        if not self._finished:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
        self._finish()

    def _slow(self, whole: bytes) -> bytes:
        out: list[bytes] = []
        for event in whole.split(b"\n\n"):
            payload = _payload(event)
            if payload is None:
                continue
            try:
                out.append(self._event(payload))
            except NinefoldError as error:
                self.failed = error
                break
            if self.complete:
                break
        if self.failed is not None and not (self.started and any(out)):
            raise self.failed
        if not self.started:
            self._head += b"".join(out)
            return b""
        if self._head:
            out.insert(0, self._head)
            self._head = b""
        return b"".join(out)

    def _event(self, payload: bytes) -> bytes:
        if payload == b"[DONE]":
            if not self._finished:
                raise StreamInterrupted("The upstream said that it was done without finishing the answer.")
            self._finish()
            return b""
        try:
            chunk = _chunk.decode(payload)
        except msgspec.MsgspecError as error:
            raise UpstreamRejected(f"The upstream sent an event that is not a chat completion chunk: {error}.") from None
        if is_given(chunk.error):
            raise event_error(bytes(chunk.error))
        if chunk.usage is not None:
            self._usage = to_usage(chunk.usage)
        if not chunk.choices:
            return self._without_choices(payload, chunk)
        rendered = b"data: " + (renamed(payload, chunk.model, self._call.model) if chunk.model else payload) + b"\n\n"
        content_bytes = self._read(chunk)
        if content_bytes:
            self._learn(chunk.model, payload, len(payload) + 8 - content_bytes)
        finishing = any(choice.finish_reason is not None for choice in chunk.choices)
        if finishing:
            self._finished = True
            self.started = True
        if self._finished:
            # Whatever is last is held: another choice may go on, or a verdict may follow.
            released, self._held = self._held, rendered
            return released
        return rendered

    def _without_choices(self, payload: bytes, chunk: _Chunk) -> bytes:
        if chunk.usage is None:
            return b""
        released = b""
        if self._call.include_usage:  # else it was asked for by us, not by the caller
            released = self._held
            self._held = b"data: " + (renamed(payload, chunk.model, self._call.model) if chunk.model else payload) + b"\n\n"
        if self._finished:
            # Source: platform.openai.com/docs/api-reference/chat/create, `stream_options`: this chunk is the last before `[DONE]`, which
            # some servers leave out without closing the body.
            self._finish()
        return released

    def _read(self, chunk: _Chunk) -> int:
        """The bytes of content in `chunk`, which opens the answer if there are any."""
        content = 0
        for choice in chunk.choices:
            delta = choice.delta
            for text in (delta.content, delta.reasoning_content, delta.reasoning, delta.refusal):
                if text:
                    content += len(text.encode())
            for part in delta.tool_calls or ():
                call = self._tools.setdefault((choice.index, part.index), ["", ""])
                call[0] = part.id or call[0]
                if part.function is not None:
                    call[1] = part.function.name or call[1]
                    if part.function.arguments:
                        call.append(part.function.arguments)
                        content += len(part.function.arguments.encode())
                self.started = True
        if content:
            self.started = True
            self._events += 1
            self._content_bytes += content
        return content

    def _learn(self, model: str, payload: bytes, overhead_bytes: int) -> None:
        self._overhead_bytes = overhead_bytes
        if self._theirs is None and model:
            theirs = b'"model":' + encode(model)
            if theirs in payload:
                self._theirs = theirs
                self._ours = b'"model":' + encode(self._call.model)

    def _finish(self) -> None:
        self.complete = True
        last = self._held.rstrip()
        self.tail = Splice(before=last[:-1], after=b"}\n\ndata: [DONE]\n\n")


def _payload(event: bytes) -> bytes | None:
    """The data of one event, None for comments and empty blocks."""
    event = event.strip(b"\n")
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:].strip()
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines).strip() or None if lines else None
