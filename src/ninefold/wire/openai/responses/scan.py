"""A streamed answer of a vendor that has the Responses API itself, passed on nearly untouched."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.wire import vendor_json
from ninefold.wire.json_members import ABSENT, encode, is_given, members
from ninefold.wire.openai.failures import event_error
from ninefold.wire.openai.responses.passthrough import WireItem, calls, read, renamed
from ninefold.wire.sse import EventReader, event

_TEXT_DELTA = b'"response.output_text.delta"'
# Events before anything was said.
_OPENINGS = (
    *("response.created", "response.queued", "response.in_progress", "response.output_item.added", "response.content_part.added"),
    "response.reasoning_summary_part.added",
)
_ENDINGS = ("response.completed", "response.incomplete")


class _Event(msgspec.Struct):
    type: str = ""
    delta: msgspec.Raw = ABSENT
    item: WireItem | None = None
    response: msgspec.Raw = ABSENT


_event = msgspec.json.Decoder(_Event)


class ResponseScan:
    """`StreamScan` for one answer. Text deltas are passed on without decoding."""

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"")
        self._call = call
        self._reader = EventReader()
        self._head = b""  # events before the first content
        self._usage: Usage | None = None
        self._events = 0
        self._content_bytes = 0
        self._tools: list[ToolCall] = []

    @property
    def usage(self) -> Usage:
        """As reported at the end; else estimated from what was passed on."""
        if self._usage is not None:
            return self._usage
        produced = max(self._events, (self._content_bytes + 3) // 4)
        return Usage(input_tokens=(len(self._call.body) + 3) // 4, output_tokens=produced, estimated=True)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that are complete."""
        return tuple(self._tools)

    def feed(self, data: bytes) -> bytes:
        """The events of `data` that the caller may have now."""
        out: list[bytes] = []
        for name, payload in self._reader.feed(data):
            if self.complete or payload == b"[DONE]":
                break
            try:
                out.append(self._pass(name, payload))
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
            passed, self._head = self._head + passed, b""
        return passed

    def end(self) -> None:
        """The last event says that the answer is finished; without it, it is not."""
        if not self.complete:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")

    def _pass(self, name: str, payload: bytes) -> bytes:
        if name == "response.output_text.delta" or payload.find(_TEXT_DELTA, 0, 200) >= 0:
            start = payload.find(b'"delta":"') + 9
            self._said(max(payload.find(b'"', start) - start, 1))  # up to the first quote, which is the end or an escaped one
            return event(payload, name)
        found = vendor_json.read(_event, payload, "an event of a response")
        kind = found.type or name
        if kind == "error":
            raise event_error(payload)
        if is_given(found.response):
            return self._response(kind, payload, found.response)
        if is_given(found.delta):
            self._said(len(bytes(found.delta)))
        elif kind not in _OPENINGS:
            self.started = True
        call = found.item.call() if kind == "response.output_item.done" and found.item is not None else None
        if call is not None:
            self._tools.append(call)
        return event(payload, name)

    def _said(self, content_bytes: int) -> None:
        self.started = True
        self._events += 1
        self._content_bytes += content_bytes

    def _response(self, kind: str, payload: bytes, body: msgspec.Raw) -> bytes:
        """An event with the whole response object in it; the last one is kept for the end."""
        if payload.find(b"\n") >= 0:  # between members only: strings escape it
            payload, body = payload.replace(b"\n", b" "), msgspec.Raw(bytes(body).replace(b"\n", b" "))
        answer = read(body)
        fields = members(payload)
        del fields["response"]
        head = encode(fields)[:-1] + b',"response":'
        written = encode(renamed(self._call, body, answer))
        if kind not in _ENDINGS:
            return event(head + written + b"}", kind)
        if answer.usage is not None:
            self._usage = answer.usage.to_domain()
        self._tools = list(calls(answer))
        self.started = True
        self.complete = True
        self.tail = Splice(before=b"event: " + kind.encode() + b"\ndata: " + head + written[:-1], after=b"}}\n\n")
        return b""
