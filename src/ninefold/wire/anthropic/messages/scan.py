"""A streamed message from Anthropic to an Anthropic caller, passed on nearly untouched."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.anthropic.failures import event_error
from ninefold.wire.anthropic.messages.passthrough import WireUsage, renamed, to_usage
from ninefold.wire.json_members import ABSENT, encode, members
from ninefold.wire.whole_events import WholeEvents

_TEXT = b'"type":"text_delta"'


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _Block(msgspec.Struct):
    type: str
    id: str | None = None
    name: str | None = None


class _Message(msgspec.Struct):
    model: str
    usage: WireUsage


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = ABSENT


_event = msgspec.json.Decoder(_Event)


class MessageScan:
    """`StreamScan` for one answer; reads that hold nothing but text deltas are recognised by counting and pass undecoded."""

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"")
        self._call = call
        self._events_of = WholeEvents()
        self._head = b""
        self._held: tuple[bytes, bytes] | None = None  # message_delta up to the end of its usage object, and what follows
        self._reported = WireUsage()
        self._final = False
        self._events = 0
        self._content_bytes = 0
        self._overhead_bytes = 0
        self._tools: dict[int, list[str]] = {}

    @property
    def usage(self) -> Usage:
        """As reported; the output side estimated from what was passed on until the last event says it."""
        known = to_usage(self._reported)
        if self._final:
            return known
        produced = max(self._events, (self._content_bytes + 3) // 4)
        return Usage(
            input_tokens=known.input_tokens or (len(self._call.body) + 3) // 4,
            output_tokens=max(produced, known.output_tokens) if self.started else known.output_tokens,
            cached_input_tokens=known.cached_input_tokens,
            cache_write_tokens=known.cache_write_tokens,
            estimated=True,
        )

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls assembled so far."""
        return tuple(ToolCall(call_id=c[0], name=c[1], arguments="".join(c[2:]) or "{}") for _, c in sorted(self._tools.items()))

    def feed(self, data: bytes) -> bytes:
        """The events of `data` that the caller may have now."""
        whole = self._events_of.take(data)
        if not whole:
            return b""
        if self.started and self._held is None:
            count = whole.count(b"\n\n")
            if whole.count(_TEXT) == count:
                self._events += count
                self._content_bytes += len(whole) - count * self._overhead_bytes
                return whole
        return self._slow(whole)

    def end(self) -> None:
        """Only `message_stop` completes a message."""
        if not self.complete:
            raise StreamInterrupted("The upstream ended its stream without finishing the message.")

    def _slow(self, whole: bytes) -> bytes:
        out: list[bytes] = []
        for block in whole.split(b"\n\n"):
            payload = _payload(block)
            if payload is None:
                continue
            try:
                out.append(self._read(block.strip(b"\n") + b"\n\n", payload))
            except NinefoldError as error:
                self.failed = error
                break
            if self.complete:
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

    def _read(self, block: bytes, payload: bytes) -> bytes:
        try:
            event = _event.decode(payload)
        except msgspec.MsgspecError as error:
            raise UpstreamRejected(f"The upstream sent an event that is not of a message: {error}.") from None
        if event.type == "error":
            raise event_error(bytes(event.error) or b"{}")
        if event.type == "message_start" and event.message is not None:
            self._reported = event.message.usage
            return renamed(block, event.message.model, self._call.model)
        if event.type == "message_delta":
            return self._hold(payload, event)
        if event.type == "message_stop":
            if self._held is None:
                raise StreamInterrupted("The upstream stopped its message without saying why it ended.")
            self.complete = True
            self.tail = Splice(before=self._held[0], after=self._held[1] + block, comma=not self._held[0].endswith(b"{"))
            return b""
        if event.type == "content_block_start" and event.content_block is not None and event.content_block.type == "tool_use":
            self._tools[event.index] = [event.content_block.id or "", event.content_block.name or ""]
            self.started = True
        elif event.type == "content_block_delta" and event.delta is not None:
            self._content(event.index, event.delta, len(block))
        return block

    def _content(self, index: int, delta: _Delta, block_bytes: int) -> None:
        text = delta.text or delta.thinking or delta.partial_json or ""
        if delta.partial_json and index in self._tools:
            self._tools[index].append(delta.partial_json)
        if text:
            size = len(text.encode())
            self.started = True
            self._events += 1
            self._content_bytes += size
            if delta.text:
                self._overhead_bytes = block_bytes - size

    def _hold(self, payload: bytes, event: _Event) -> bytes:
        released = b"" if self._held is None else self._held[0] + self._held[1]
        fields = members(payload)
        usage = bytes(fields.pop("usage", msgspec.Raw(b"{}"))).rstrip()
        if usage == b"null":
            usage = b"{}"
        self._held = b"event: message_delta\ndata: " + encode(fields)[:-1] + b',"usage":' + usage[:-1].rstrip(), b"}}\n\n"
        if event.usage is not None:
            old, new = self._reported, event.usage
            self._reported = WireUsage(
                input_tokens=old.input_tokens if new.input_tokens is None else new.input_tokens,
                output_tokens=old.output_tokens if new.output_tokens is None else new.output_tokens,
                cache_read_input_tokens=_newest(old.cache_read_input_tokens, new.cache_read_input_tokens),
                cache_creation_input_tokens=_newest(old.cache_creation_input_tokens, new.cache_creation_input_tokens),
            )
            self._final = True
        self.started = True
        return released


def _newest(old: int | None, new: int | None) -> int | None:
    return old if new is None else new


def _payload(block: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines).strip() or None if lines else None
