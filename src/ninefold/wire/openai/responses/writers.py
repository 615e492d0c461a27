"""The events of one output item, from its beginning to its end.

Source: platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from ninefold.domain.chat import Reasoning, ToolCall, ToolCallOpened
from ninefold.wire.openai.responses import output
from ninefold.wire.openai.responses.events import Events
from ninefold.wire.openai.responses.ids import item_id


class MessageWriter:
    """What the model says: text and refusals, each a content part of its own where they change."""

    __slots__ = ("_events", "_id", "_index", "_parts", "_refused", "_said", "_status")

    def __init__(self, events: Events, response: str, index: int) -> None:
        self._events = events
        self._index = index
        self._id = item_id("msg", response, index)
        self._parts: list[output.Item] = []
        self._said: list[str] = []
        self._refused: bool | None = None  # of the part that is open; None where none is
        self._status = "in_progress"

    def begin(self) -> bytes:
        """The item is there, empty."""
        return self._events.write("response.output_item.added", output_index=self._index, item=self.done())

    def more(self, text: str, *, refused: bool) -> bytes:
        """More text of this kind."""
        opening = b""
        if self._refused is not refused:
            opening = self._end_part()
            self._refused = refused
            opening += self._write("content_part.added", part=output.refusal("") if refused else output.text(""))
        self._said.append(text)
        if refused:
            return opening + self._write("refusal.delta", delta=text)
        return opening + self._write("output_text.delta", delta=text, logprobs=[])

    def end(self, status: str) -> bytes:
        """The item is whole, or was cut."""
        ended = self._end_part()
        self._status = status
        return ended + self._events.write("response.output_item.done", output_index=self._index, item=self.done())

    def done(self) -> output.Item:
        """The item as it stands."""
        return output.message(self._id, self._parts, self._status)

    def _end_part(self) -> bytes:
        if self._refused is None:
            return b""
        text, self._said = "".join(self._said), []
        if self._refused:
            part = output.refusal(text)
            ended = self._write("refusal.done", refusal=text)
        else:
            part = output.text(text)
            ended = self._write("output_text.done", text=text, logprobs=[])
        ended += self._write("content_part.done", part=part)
        self._parts.append(part)
        self._refused = None
        return ended

    def _write(self, kind: str, **members: object) -> bytes:
        return self._events.write(f"response.{kind}", item_id=self._id, output_index=self._index, content_index=len(self._parts), **members)


class ReasoningWriter:
    """What the model thinks: one summary part, and what its vendor needs to verify it."""

    __slots__ = ("_events", "_id", "_index", "_redacted", "_signature", "_text")

    def __init__(self, events: Events, response: str, index: int) -> None:
        self._events = events
        self._index = index
        self._id = item_id("rs", response, index)
        self._text: list[str] = []
        self._signature: str | None = None
        self._redacted: str | None = None

    def begin(self) -> bytes:
        """The item is there, empty."""
        return self._events.write("response.output_item.added", output_index=self._index, item=self.done())

    def more(self, text: str) -> bytes:
        """More of the summary."""
        opening = b"" if self._text else self._write("part.added", part=output.summary(""))
        self._text.append(text)
        return opening + self._write("text.delta", delta=text)

    def seal(self, signature: str | None, redacted: str | None) -> None:
        """Its vendor's signature, or the block that it encrypted."""
        self._signature, self._redacted = signature, redacted

    def end(self, status: str) -> bytes:
        """The item is whole; the protocol has no word for half a thought."""
        del status
        ended = b""
        if self._text:
            text = "".join(self._text)
            ended = self._write("text.done", text=text) + self._write("part.done", part=output.summary(text))
        return ended + self._events.write("response.output_item.done", output_index=self._index, item=self.done())

    def done(self) -> output.Item:
        """The item as it stands."""
        return output.reasoning(self._id, Reasoning(text="".join(self._text), signature=self._signature, redacted=self._redacted))

    def _write(self, kind: str, **members: object) -> bytes:
        return self._events.write(
            f"response.reasoning_summary_{kind}", item_id=self._id, output_index=self._index, summary_index=0, **members
        )


class CallWriter:
    """A call the model wants made."""

    __slots__ = ("_arguments", "_call", "_events", "_id", "_index", "_status")

    def __init__(self, events: Events, response: str, index: int, opened: ToolCallOpened) -> None:
        self._events = events
        self._index = index
        self._id = item_id("fc", response, index)
        self._call = opened
        self._arguments: list[str] = []
        self._status = "in_progress"

    def begin(self) -> bytes:
        """The item is there, without arguments."""
        return self._events.write("response.output_item.added", output_index=self._index, item=self.done())

    def more(self, arguments: str) -> bytes:
        """More of the JSON text of its arguments."""
        self._arguments.append(arguments)
        return self._write("delta", delta=arguments)

    def end(self, status: str) -> bytes:
        """The item is whole, or was cut."""
        self._status = status
        ended = self._write("done", arguments="".join(self._arguments), name=self._call.name)
        return ended + self._events.write("response.output_item.done", output_index=self._index, item=self.done())

    def done(self) -> output.Item:
        """The item as it stands."""
        call = ToolCall(call_id=self._call.call_id, name=self._call.name, arguments="".join(self._arguments))
        return output.function_call(self._id, call, self._status)

    def _write(self, kind: str, **members: object) -> bytes:
        return self._events.write(f"response.function_call_arguments.{kind}", item_id=self._id, output_index=self._index, **members)
