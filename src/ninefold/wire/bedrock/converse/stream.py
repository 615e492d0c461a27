"""ConverseStream, read.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import (
    Delta,
    Finished,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import UpstreamRejected
from ninefold.wire import vendor_json
from ninefold.wire.bedrock.converse import finish
from ninefold.wire.bedrock.converse.response import ModelFields
from ninefold.wire.bedrock.converse.usage import ReportedUsage
from ninefold.wire.bedrock.eventstream import ERROR, EXCEPTION
from ninefold.wire.bedrock.failures import event_error
from ninefold.wire.json_members import ABSENT, is_given


class _ToolStart(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str


class _Start(msgspec.Struct, rename="camel"):
    tool_use: _ToolStart | None = None
    tool_result: msgspec.Raw = ABSENT
    image: msgspec.Raw = ABSENT


class _ToolDelta(msgspec.Struct):
    input: str = ""


class _ReasoningDelta(msgspec.Struct, rename="camel"):
    text: str = ""
    signature: str = ""
    redacted_content: str | None = None


class _Delta(msgspec.Struct, rename="camel"):
    text: str = ""
    tool_use: _ToolDelta | None = None
    reasoning_content: _ReasoningDelta | None = None


class _Event(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: ReportedUsage | None = None
    additional_model_response_fields: ModelFields | None = None


_decoder = msgspec.json.Decoder(_Event)


class _Call(msgspec.Struct):
    """A call that began; `fed` once a piece of its arguments has come."""

    index: int
    fed: bool = False


class Decoder:
    """Reads one answer's events; events of unknown types are read over. `done` is true only after `messageStop` and the `metadata` that
    follows it, which has the usage."""

    __slots__ = ("_calls", "_finished", "_measured", "_model", "_result_id", "_tools", "done")

    def __init__(self, *, result_id: str, model: str) -> None:
        self.done = False
        self._result_id = result_id
        self._model = model
        self._finished = False
        self._measured = False
        self._tools = 0
        self._calls: dict[int, _Call] = {}

    def feed(self, name: str, data: bytes) -> list[Delta]:
        """The deltas of one event. Raises: the vendor's error for an exception in the stream; UpstreamRejected for what is no event."""
        if name.startswith((EXCEPTION, ERROR)):
            raise event_error(name.partition(":")[2], data)
        match name:
            case "messageStart":
                return [Opened(result_id=self._result_id, model=self._model)]
            case "contentBlockStart":
                return self._begin(_read(data))
            case "contentBlockDelta":
                return self._more(_read(data))
            case "contentBlockStop":
                return self._end(_read(data))
            case "messageStop":
                return self._finish(_read(data))
            case "metadata":
                return self._measure(_read(data))
            case _:
                return []

    def _begin(self, found: _Event) -> list[Delta]:
        start = found.start or _Start()
        if is_given(start.tool_result) or is_given(start.image):
            raise UpstreamRejected("The upstream began a block that cannot be translated.")
        tool = start.tool_use
        if tool is None:
            return []
        call = _Call(index=self._tools)
        self._calls[found.content_block_index] = call
        self._tools += 1
        return [ToolCallOpened(index=call.index, call_id=tool.tool_use_id, name=tool.name)]

    def _more(self, found: _Event) -> list[Delta]:
        delta = found.delta
        if delta is None:
            raise UpstreamRejected("The upstream sent a delta without content.")
        if delta.tool_use is not None:
            call = self._calls.get(found.content_block_index)
            if call is None:
                raise UpstreamRejected("The upstream sent arguments of a tool call that it had not begun.")
            if not delta.tool_use.input:
                return []
            call.fed = True
            return [ToolCallDelta(index=call.index, arguments=delta.tool_use.input)]
        thought = delta.reasoning_content
        if thought is not None:
            if thought.redacted_content is not None:
                return [ReasoningDelta(redacted=thought.redacted_content)]
            if not thought.text and not thought.signature:
                return []
            return [ReasoningDelta(text=thought.text, signature=thought.signature or None)]
        return [TextDelta(text=delta.text)] if delta.text else []

    def _end(self, found: _Event) -> list[Delta]:
        """A call that streamed no arguments has none: an empty object."""
        call = self._calls.get(found.content_block_index)
        if call is None or call.fed:
            return []
        call.fed = True
        return [ToolCallDelta(index=call.index, arguments="{}")]

    def _finish(self, found: _Event) -> list[Delta]:
        self._finished = True
        self.done = self._measured
        fields = found.additional_model_response_fields or ModelFields()
        return [Finished(reason=finish.read(found.stop_reason), stop_sequence=fields.stop_sequence)]

    def _measure(self, found: _Event) -> list[Delta]:
        self._measured = True
        self.done = self._finished
        return [] if found.usage is None else [UsageReported(usage=found.usage.to_domain())]


def _read(data: bytes) -> _Event:
    return vendor_json.read(_decoder, data, "an event of ConverseStream")
