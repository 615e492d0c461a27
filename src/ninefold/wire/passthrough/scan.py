"""A stream that is given on unread, but for what it says of tokens and of its own end."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.wire.passthrough.usage import Reporting, usage_of
from ninefold.wire.whole_events import WholeEvents

# Events after which nothing comes, by `type`. Source: the streaming references of Anthropic's messages, and of OpenAI's responses,
# images, transcriptions and speech.
_LAST = frozenset({
    "message_stop", "response.completed", "response.incomplete", "response.failed", "image_generation.completed",
    "image_edit.completed", "transcript.text.done", "speech.audio.done",
})  # fmt: skip
# What begins so must end with one of these.
_FAMILIES = ("message_", "content_block_", "response.", "image_generation.", "image_edit.", "transcript.text.", "speech.audio.")


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    gemini_reason: str | None = msgspec.field(default=None, name="finishReason")


class _Event(Reporting):
    type: str | None = None
    choices: list[_Choice] | None = None
    candidates: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Event).decode


class PassedScan:
    """`StreamScan`: whole events pass as they are; the last one waits until the answer is settled.

    A stream of a known vendor that stops before its own last word was cut short; of any other, the end of the connection is the end.
    """

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"", sealed=True)
        self.tool_calls: tuple[ToolCall, ...] = ()
        self._call = call
        self._events = WholeEvents()
        self._count = 0
        self._usage: Usage | None = None
        self._unfinished = False

    @property
    def usage(self) -> Usage:
        """As reported, else an event for a token."""
        if self._usage is not None:
            return self._usage
        guessed = (len(self._call.body) + 3) // 4
        return Usage(
            input_tokens=guessed, output_tokens=self._count, estimated=True, unmetered=self._call.operation is not Operation.PASSTHROUGH
        )

    def feed(self, data: bytes) -> bytes:
        """The whole events of `data`, without the last of all."""
        whole = self._events.take(data)
        if not whole or self.complete:
            return b""
        self.started = True
        at = 0
        while (cut := whole.find(b"\n\n", at) + 2) > 1:
            if self._note(whole[at:cut]):
                self.complete = True
                self.tail = Splice(before=whole[at:cut], after=b"", sealed=True)
                return whole[:at]
            at = cut
        return whole

    def end(self) -> None:
        """The connection ended properly. Raises: StreamInterrupted where a known vendor had more to say."""
        if self._unfinished and not self.complete:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
        self.complete = True

    def _note(self, event: bytes) -> bool:
        """Whether this is the last event."""
        payload = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if not payload:
            return False
        if payload == b"[DONE]":
            return True
        self._count += 1
        try:
            found = _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        self._add(usage_of(found))
        if found.type is not None and found.type.startswith(_FAMILIES):
            self._unfinished = True
            return found.type in _LAST
        chosen = found.choices if found.candidates is None else found.candidates
        if chosen:
            self._unfinished = not any(each.finish_reason or each.gemini_reason for each in chosen)
        return False

    def _add(self, more: Usage | None) -> None:
        known = self._usage
        if more is None:
            return
        if known is None:
            self._usage = more
            return
        # Anthropic counts the input in its first event and the output in the last ones; every count only grows.
        self._usage = Usage(
            input_tokens=max(known.input_tokens, more.input_tokens),
            output_tokens=max(known.output_tokens, more.output_tokens),
            cached_input_tokens=max(known.cached_input_tokens, more.cached_input_tokens),
            cache_write_tokens=max(known.cache_write_tokens, more.cache_write_tokens),
            reasoning_tokens=max(known.reasoning_tokens, more.reasoning_tokens),
        )
