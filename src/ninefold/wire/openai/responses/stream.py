"""Streamed answers as the events of the Responses API.

Source: platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.domain.chat import (
    Delta,
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import StreamInterrupted, Unsupported, UpstreamRejected
from ninefold.domain.usage import NO_USAGE
from ninefold.wire.openai.responses import output
from ninefold.wire.openai.responses.events import Events
from ninefold.wire.openai.responses.frame import Frame
from ninefold.wire.openai.responses.writers import CallWriter, MessageWriter, ReasoningWriter

_encode = msgspec.json.Encoder().encode


class Encoder:
    """Writes one answer's events. The last one, which holds the whole answer, is held back until `finish`, so that one more member fits
    into its response object.

    A message and a piece of reasoning end where something else begins; calls may interleave and end with the answer.
    """

    __slots__ = ("_calls", "_events", "_finished", "_frame", "_items", "_open", "_refused", "_started", "_usage")

    def __init__(self, call: ModelCall, opened: Opened) -> None:
        self._frame = Frame(call, opened.result_id, opened.created or int(call.received_at))
        self._events = Events()
        self._started = False
        self._items: list[MessageWriter | ReasoningWriter | CallWriter] = []
        self._open: MessageWriter | ReasoningWriter | None = None
        self._calls: dict[int, CallWriter] = {}
        self._refused = False
        self._finished: Finished | None = None
        self._usage = NO_USAGE

    def encode(self, delta: Delta) -> bytes:
        """Whole events for `delta`, perhaps none. Raises: Unsupported for a second choice; UpstreamRejected for arguments of no call."""
        if isinstance(delta, UsageReported):
            self._usage = delta.usage
            return b""
        opening = b"" if self._started else self._start()
        if isinstance(delta, Opened):
            return opening
        if not isinstance(delta, ToolCallOpened | ToolCallDelta) and delta.choice:
            raise Unsupported("A response is one answer.", param="n")
        return opening + self._write(delta)

    def finish(self) -> tuple[bytes, bytes]:
        """The last event, cut before the closing brace of its response. Raises: StreamInterrupted where the answer was not finished."""
        ended = self._finished
        if ended is None:
            raise StreamInterrupted("The answer ended without a finish reason.")
        status, reason = output.ending(ended.reason, refused=self._refused)
        items = [item.done() for item in self._items]
        response = self._frame.members(status, items, usage=self._usage, reason=reason)
        head = self._events.head(f"response.{status}")
        return head + b',"response":' + _encode(response)[:-1], b"}}\n\n"

    def _start(self) -> bytes:
        self._started = True
        response = _encode(self._frame.members("in_progress", ()))
        return self._events.write("response.created", response=msgspec.Raw(response)) + self._events.write(
            "response.in_progress", response=msgspec.Raw(response)
        )

    def _write(self, delta: TextDelta | RefusalDelta | ReasoningDelta | ToolCallOpened | ToolCallDelta | Finished) -> bytes:
        match delta:
            case TextDelta():
                return self._say(delta.text, refused=False)
            case RefusalDelta():
                return self._say(delta.text, refused=True)
            case ReasoningDelta():
                return self._think(delta)
            case ToolCallOpened():
                return self._call(delta)
            case ToolCallDelta():
                call = self._calls.get(delta.index)
                if call is None:
                    raise UpstreamRejected("The upstream sent arguments of a tool call that it had not begun.")
                return call.more(delta.arguments) if delta.arguments else b""
            case Finished():
                return self._finish(delta)

    def _say(self, text: str, *, refused: bool) -> bytes:
        if not text:
            return b""
        self._refused = self._refused or refused
        opening = b""
        writer = self._open
        if not isinstance(writer, MessageWriter):
            opening = self._close("completed")
            writer = self._open = MessageWriter(self._events, self._frame.response_id, len(self._items))
            self._items.append(writer)
            opening += writer.begin()
        return opening + writer.more(text, refused=refused)

    def _think(self, delta: ReasoningDelta) -> bytes:
        opening = b""
        writer = self._open
        if not isinstance(writer, ReasoningWriter) or delta.redacted is not None:
            opening = self._close("completed")
            writer = self._open = ReasoningWriter(self._events, self._frame.response_id, len(self._items))
            self._items.append(writer)
            opening += writer.begin()
        opening += writer.more(delta.text) if delta.text else b""
        if delta.signature is None and delta.redacted is None:
            return opening
        writer.seal(delta.signature, delta.redacted)
        return opening + self._close("completed")

    def _call(self, delta: ToolCallOpened) -> bytes:
        closing = self._close("completed")
        writer = self._calls[delta.index] = CallWriter(self._events, self._frame.response_id, len(self._items), delta)
        self._items.append(writer)
        return closing + writer.begin()

    def _close(self, status: str) -> bytes:
        writer, self._open = self._open, None
        return b"" if writer is None else writer.end(status)

    def _finish(self, delta: Finished) -> bytes:
        self._finished = delta
        status, _ = output.ending(delta.reason, refused=self._refused)
        last = self._items[-1] if self._items else None
        ended = b"".join(call.end(status if call is last else "completed") for call in self._calls.values())
        return ended + self._close(status if self._open is last else "completed")
