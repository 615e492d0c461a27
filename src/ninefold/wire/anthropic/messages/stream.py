"""Streamed messages, in both directions.

Source: docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import (
    Delta,
    Finished,
    FinishReason,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import StreamInterrupted, Unsupported, UpstreamRejected
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.wire import vendor_json
from ninefold.wire.anthropic.failures import event_error
from ninefold.wire.anthropic.messages import finish
from ninefold.wire.anthropic.messages.block_writer import BlockWriter
from ninefold.wire.anthropic.messages.response import Block, StopDetails, input_text
from ninefold.wire.anthropic.messages.usage import ReportedUsage, members
from ninefold.wire.sse import event


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class _Start(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: ReportedUsage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Start | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: ReportedUsage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Event)
_encode = msgspec.json.Encoder().encode


class _Call(msgspec.Struct):
    """A tool_use block: `block` is as it began; `fed` once a piece of its arguments has come."""

    index: int
    block: Block
    fed: bool = False


class Decoder:
    """Reads one answer's events; pings and events of unknown types are read over, as Anthropic's versioning asks. `done` is true only
    after `message_stop`."""

    __slots__ = ("_calls", "_finished", "_known", "_tools", "_usage", "done")

    def __init__(self) -> None:
        self.done = False
        self._usage = ReportedUsage()
        self._finished = False
        self._tools = 0
        self._calls: dict[int, _Call] = {}
        self._known: set[int] = set()

    def feed(self, name: str, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises: RateLimited, Unavailable, UpstreamRejected for an error in the stream; UpstreamRejected for what is not the protocol;
        StreamInterrupted where `message_stop` comes before a stop reason.
        """
        found = vendor_json.read(_decoder, data, "an event of a message")
        match found.type or name:
            case "message_start":
                return self._start(found)
            case "content_block_start":
                return self._begin(found)
            case "content_block_delta":
                return self._more(found)
            case "content_block_stop":
                return self._end(found)
            case "message_delta":
                return self._finish(found)
            case "message_stop":
                if not self._finished:
                    raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
                self.done = True
            case "error":
                raise event_error(bytes(found.error))
            case _:
                pass
        return []

    def _start(self, found: _Event) -> list[Delta]:
        message = found.message or _Start()
        self._usage = message.usage or self._usage
        return [Opened(result_id=message.id, model=message.model, usage=self._usage.to_domain())]

    def _begin(self, found: _Event) -> list[Delta]:
        block = found.content_block
        if block is None:
            raise UpstreamRejected("The upstream began a block without saying what it is.")
        self._known.add(found.index)
        if block.type == "text":
            return [TextDelta(text=block.text)] if block.text else []
        if block.type == "thinking":
            if block.thinking or block.signature:
                return [ReasoningDelta(text=block.thinking or "", signature=block.signature or None)]
            return []
        if block.type == "redacted_thinking":
            return [ReasoningDelta(redacted=block.data or "")]
        if block.type == "tool_use" and block.name:
            call = _Call(index=self._tools, block=block)
            self._tools += 1
            self._calls[found.index] = call
            return [ToolCallOpened(index=call.index, call_id=block.id or "", name=block.name)]
        raise UpstreamRejected(f"The upstream answered with a block of the type {block.type[:40]!r}, which cannot be translated.")

    def _more(self, found: _Event) -> list[Delta]:
        delta = found.delta
        if delta is None or found.index not in self._known:
            raise UpstreamRejected("The upstream sent a delta of a block that it had not begun.")
        if delta.type == "text_delta":
            return [TextDelta(text=delta.text)] if delta.text else []
        if delta.type == "thinking_delta":
            return [ReasoningDelta(text=delta.thinking)] if delta.thinking else []
        if delta.type == "signature_delta":
            return [ReasoningDelta(signature=delta.signature)] if delta.signature else []
        if delta.type == "input_json_delta":
            call = self._calls.get(found.index)
            if call is None:
                raise UpstreamRejected("The upstream sent arguments of a tool call that it had not begun.")
            if not delta.partial_json:
                return []
            call.fed = True
            return [ToolCallDelta(index=call.index, arguments=delta.partial_json)]
        return []

    def _end(self, found: _Event) -> list[Delta]:
        """A call that streamed no arguments has those it began with, which is an empty object as a rule."""
        call = self._calls.get(found.index)
        if call is None or call.fed:
            return []
        call.fed = True
        return [ToolCallDelta(index=call.index, arguments=input_text(call.block))]

    def _finish(self, found: _Event) -> list[Delta]:
        deltas: list[Delta] = []
        delta = found.delta or _Delta()
        if delta.stop_reason is not None and not self._finished:
            self._finished = True
            if delta.stop_details is not None and delta.stop_details.explanation:
                deltas.append(RefusalDelta(text=delta.stop_details.explanation))
            deltas.append(Finished(reason=finish.read(delta.stop_reason), stop_sequence=delta.stop_sequence))
        if found.usage is not None:
            self._usage = self._usage.updated(found.usage)
        deltas.append(UsageReported(usage=self._usage.to_domain()))
        return deltas


class Encoder:
    """Writes one answer's events. The closing ones are held back until `finish`, so that one more member fits into them.

    `input_tokens` stands in `message_start` where the upstream has not said yet; `created` has no place in this protocol.
    """

    __slots__ = ("_blocks", "_finished", "_input_tokens", "_model", "_refused", "_result_id", "_started", "_usage")

    def __init__(self, *, model: str, result_id: str, created: int, input_tokens: int) -> None:
        del created
        self._model = model
        self._result_id = result_id
        self._input_tokens = input_tokens
        self._started = False
        self._blocks = BlockWriter()
        self._refused = False
        self._finished: Finished | None = None
        self._usage = NO_USAGE

    def encode(self, delta: Delta) -> bytes:
        """Whole events for `delta`, perhaps none. Raises: Unsupported for a second choice; UpstreamRejected for arguments of no call."""
        if isinstance(delta, UsageReported):
            self._usage = delta.usage
            return b""
        opening = b"" if self._started else self._start(delta.usage if isinstance(delta, Opened) else NO_USAGE)
        if isinstance(delta, Opened):
            return opening
        if delta.choice:
            raise Unsupported("A message is one answer.", param="n")
        return opening + self._write(delta)

    def _write(self, delta: TextDelta | RefusalDelta | ReasoningDelta | ToolCallOpened | ToolCallDelta | Finished) -> bytes:
        match delta:
            case TextDelta():
                return self._blocks.text(delta.text) if delta.text else b""
            case RefusalDelta():
                self._refused = True
                return self._blocks.text(delta.text) if delta.text else b""
            case ReasoningDelta():
                return self._blocks.reasoning(delta)
            case ToolCallOpened():
                return self._blocks.call(delta)
            case ToolCallDelta():
                return self._blocks.arguments(delta)
            case Finished():
                self._finished = delta
                return self._blocks.close_all()

    def finish(self) -> tuple[bytes, bytes]:
        """The last events, cut inside `message_delta.usage`. Raises: StreamInterrupted where the answer was not finished."""
        ended = self._finished
        if ended is None:
            raise StreamInterrupted("The answer ended without a stop reason.")
        reason = finish.word(ended.reason, called=self._blocks.called, refused=self._refused and ended.reason is FinishReason.STOP)
        delta = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": ended.stop_sequence}}
        data = _encode(delta)[:-1] + b',"usage":' + _encode(members(self._usage))[:-1]
        return b"event: message_delta\ndata: " + data, b"}}\n\n" + event(b'{"type":"message_stop"}', "message_stop")

    def _start(self, usage: Usage) -> bytes:
        self._started = True
        self._usage = usage if usage.input_tokens else Usage(input_tokens=self._input_tokens)
        message = {
            "id": self._result_id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": members(self._usage),
        }
        return event(_encode({"type": "message_start", "message": message}), "message_start")
