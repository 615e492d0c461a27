"""Streamed chat completions, in both directions.

Source: platform.openai.com/docs/api-reference/chat-streaming.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import (
    Delta,
    Finished,
    Opened,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import StreamInterrupted, UpstreamRejected
from ninefold.domain.usage import NO_USAGE
from ninefold.wire import vendor_json
from ninefold.wire.openai.chat import finish, reasoning, usage
from ninefold.wire.openai.chat.chunk_calls import ChunkCalls, Piece
from ninefold.wire.openai.chat.response import arguments_text
from ninefold.wire.openai.failures import event_error

_NULL = msgspec.Raw(b"null")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[reasoning.Detail] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[_Choice] | None = None
    usage: usage.ReportedUsage | None = None
    error: msgspec.Raw = _NULL


_decoder = msgspec.json.Decoder(_Chunk)
_encode = msgspec.json.Encoder().encode


class Decoder:
    """Reads one answer's events. `done` is true only after `[DONE]`."""

    __slots__ = ("_calls", "_finished", "_opened", "done")

    def __init__(self) -> None:
        self.done = False
        self._opened = False
        self._calls: dict[int, ChunkCalls] = {}
        self._finished: set[int] = set()

    def feed(self, name: str, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises: RateLimited, Unavailable, UpstreamRejected for an error in the stream; UpstreamRejected for what is not the protocol;
        StreamInterrupted where `[DONE]` comes before every choice has its finish reason.
        """
        if data.startswith(b"[DONE]"):
            if self._finished != set(self._calls) or not self._finished:
                raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
            self.done = True
            return []
        chunk = vendor_json.read(_decoder, data, "a chunk of a chat completion")
        if bytes(chunk.error) != b"null":
            raise event_error(bytes(chunk.error))
        if name == "error" or (chunk.choices is None and chunk.usage is None):
            raise event_error(data) if name == "error" else UpstreamRejected("The upstream sent something that is not a chunk.")
        deltas: list[Delta] = []
        # Azure's first chunk carries filter results and neither id nor choices.
        if not self._opened and (chunk.choices or chunk.id):
            self._opened = True
            deltas.append(Opened(result_id=chunk.id or "", model=chunk.model or "", created=int(chunk.created or 0)))
        for choice in chunk.choices or ():
            self._read(choice, deltas)
        if chunk.usage is not None:
            deltas.append(UsageReported(usage=chunk.usage.to_domain()))
        return deltas

    def _read(self, choice: _Choice, deltas: list[Delta]) -> None:
        index = choice.index
        calls = self._calls.get(index)
        if calls is None:
            calls = self._calls[index] = ChunkCalls(index)
        if choice.delta is not None:
            _content(choice.delta, index, deltas)
            for call in choice.delta.tool_calls or ():
                deltas += calls.add(_piece(call.function or _Function(), call.index, call.id))
            if choice.delta.function_call is not None:
                deltas += calls.add(_piece(choice.delta.function_call, 0, None))
        if choice.finish_reason is not None and index not in self._finished:
            if calls.nameless:
                raise UpstreamRejected("The upstream began a tool call without naming the tool.")
            self._finished.add(index)
            reason, stop_sequence = finish.read(choice.finish_reason, choice.stop_reason)
            deltas.append(Finished(reason=reason, stop_sequence=stop_sequence, choice=index))


def _piece(function: _Function, number: int | None, call_id: str | None) -> Piece:
    return Piece(number=number, call_id=call_id or "", name=function.name or "", arguments=arguments_text(function.arguments))


def _content(delta: _Delta, choice: int, deltas: list[Delta]) -> None:
    details = reasoning.blocks(delta.reasoning_details or ())
    if details:
        deltas += (ReasoningDelta(text=b.text, signature=b.signature, redacted=b.redacted, choice=choice) for b in details)
    else:
        text = delta.reasoning_content or delta.reasoning
        if text:
            deltas.append(ReasoningDelta(text=text, choice=choice))
    if delta.content:
        deltas.append(TextDelta(text=delta.content, choice=choice))
    if delta.refusal:
        deltas.append(RefusalDelta(text=delta.refusal, choice=choice))


class Encoder:
    """Writes one answer's events. The last object is held back until `finish`, so that one more member fits into it."""

    __slots__ = ("_begin", "_block", "_end", "_held", "_include_usage", "_opened", "_tail", "_usage")

    def __init__(self, *, model: str, result_id: str, created: int, include_usage: bool) -> None:
        shared = {"id": result_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._begin = b"data: " + _encode(shared)[:-1] + b',"choices":['
        self._tail = b',"usage":null' if include_usage else b""
        self._end = self._tail + b"}\n\n"
        self._include_usage = include_usage
        self._opened: set[int] = set()
        self._held = b""
        self._usage = NO_USAGE
        self._block: dict[int, tuple[int, bool]] = {}

    def encode(self, delta: Delta) -> bytes:
        """Whole events for `delta`, perhaps none."""
        match delta:
            case TextDelta():
                return self._chunk(delta.choice, b'"content":' + _encode(delta.text)) if delta.text else b""
            case ToolCallDelta():
                return self._call(delta.choice, delta.index, {"function": {"arguments": delta.arguments}})
            case ToolCallOpened():
                function = {"name": delta.name, "arguments": ""}
                return self._call(delta.choice, delta.index, {"id": delta.call_id, "type": "function", "function": function})
            case ReasoningDelta():
                return self._reasoning(delta)
            case RefusalDelta():
                return self._chunk(delta.choice, b'"refusal":' + _encode(delta.text)) if delta.text else b""
            case Opened():
                return self._open(0)
            case Finished():
                return self._finish(delta)
            case UsageReported():
                self._usage = delta.usage
                return b""

    def finish(self) -> tuple[bytes, bytes]:
        """The last events, cut before the closing brace of the last object: the finish chunk, or the usage chunk if it was asked for.

        Raises: StreamInterrupted where no choice was finished.
        """
        if not self._held:
            raise StreamInterrupted("The answer ended without a finish reason.")
        done = b"}\n\ndata: [DONE]\n\n"
        if not self._include_usage:
            return self._held, done
        return self._held + self._end + self._begin + b'],"usage":' + _encode(usage.members(self._usage)), done

    def _open(self, choice: int) -> bytes:
        if choice in self._opened:
            return b""
        self._opened.add(choice)
        return self._chunk(choice, b'"role":"assistant","content":""')

    def _chunk(self, choice: int, delta: bytes) -> bytes:
        """An event with one delta, after what has to come before it."""
        held = b""
        if self._held:
            held = self._held + self._end
            self._held = b""
        opening = b"" if choice in self._opened else self._open(choice)
        head = b'{"index":%d,"delta":{' % choice
        return held + opening + self._begin + head + delta + b'},"logprobs":null,"finish_reason":null}]' + self._end

    def _call(self, choice: int, index: int, members: dict[str, object]) -> bytes:
        return self._chunk(choice, b'"tool_calls":[' + _encode({"index": index} | members) + b"]")

    def _reasoning(self, delta: ReasoningDelta) -> bytes:
        index, begun = self._block.get(delta.choice, (0, False))
        if delta.redacted is not None and begun:
            index += 1
        ended = delta.redacted is not None or delta.signature is not None
        self._block[delta.choice] = (index + 1, False) if ended else (index, True)
        block = Reasoning(text=delta.text, signature=delta.signature, redacted=delta.redacted)
        details = b'"reasoning_details":' + _encode([reasoning.detail(block, index)])
        plain = b'"reasoning_content":' + _encode(delta.text) + b"," if delta.text else b""
        return self._chunk(delta.choice, plain + details)

    def _finish(self, delta: Finished) -> bytes:
        before = self._open(delta.choice)
        if self._held:
            before += self._held + self._end
        reason = _encode(finish.word(delta.reason))
        choice = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":' % delta.choice + reason
        if delta.stop_sequence is not None:
            choice += b',"stop_reason":' + _encode(delta.stop_sequence)
        self._held = self._begin + choice + b"}]"
        return before
