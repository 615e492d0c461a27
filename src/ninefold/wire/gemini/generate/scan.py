"""Streamed content from Google to a Gemini caller, passed on nearly untouched."""

from __future__ import annotations

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.wire.gemini.failures import event_error
from ninefold.wire.gemini.generate.frames import frames_of
from ninefold.wire.gemini.generate.passthrough import WireAnswer, read, renamed
from ninefold.wire.gemini.generate.usage import ReportedUsage
from ninefold.wire.sse import EventReader


class GenerateScan:
    """`StreamScan` for one answer.

    A chunk that ends a candidate is held back until another follows, as it may be the last one; complete is the answer once every
    candidate has its reason and the body has ended properly, for there is no last word.
    """

    def __init__(self, call: ModelCall) -> None:
        self.started = False
        self.complete = False
        self.failed: NinefoldError | None = None
        self.tail = Splice(before=b"", after=b"")
        self._call = call
        self._reader = EventReader()
        self._frames = frames_of(call)
        self._held: bytes | None = None
        self._ended: set[int] = set()
        self._blocked = False
        self._reported: ReportedUsage | None = None
        self._events = 0
        self._content_bytes = 0
        self._calls: list[ToolCall] = []

    @property
    def usage(self) -> Usage:
        """As reported; the output side is at least what was passed on until the last chunk says it."""
        known = Usage() if self._reported is None else self._reported.to_domain()
        if self._reported is not None and (self._finished() or self.complete):
            return known
        produced = max(self._events, (self._content_bytes + 3) // 4)
        return Usage(
            input_tokens=known.input_tokens or (len(self._call.body) + 3) // 4,
            output_tokens=max(known.output_tokens, produced),
            cached_input_tokens=known.cached_input_tokens,
            reasoning_tokens=known.reasoning_tokens,
            estimated=True,
        )

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, each of them whole."""
        return tuple(self._calls)

    def feed(self, data: bytes) -> bytes:
        """The chunks of `data` that the caller may have now."""
        out: list[bytes] = []
        for _, payload in self._reader.feed(data):
            try:
                chunk = _chunk(payload)
            except NinefoldError as error:
                self.failed = error
                break
            released = self._release()
            if released:
                out.append(released)
            self._note(chunk)
            mine = renamed(payload, chunk.model_version, self._call.model).strip()
            if self._finished():
                self._held = mine
                self.started = True
            else:
                out.append(self._frames.chunk(mine))
        if self.failed is not None and not (self.started and any(out)):
            raise self.failed
        return b"".join(out)

    def end(self) -> None:
        """Complete, if every candidate said why it ended."""
        if self.complete:
            return
        if self._held is None or not self._finished() or self._reader.pending:
            raise StreamInterrupted("The upstream ended its stream without finishing the answer.")
        self.complete = True
        before, after = self._frames.last(self._held[:-1], b"}")
        self.tail = Splice(before=before, after=after)

    def _finished(self) -> bool:
        return self._blocked or len(self._ended) >= self._call.choices

    def _release(self) -> bytes:
        if self._held is None:
            return b""
        held, self._held = self._held, None
        return self._frames.chunk(held)

    def _note(self, chunk: WireAnswer) -> None:
        if chunk.usage_metadata is not None:
            self._reported = chunk.usage_metadata
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None and not chunk.candidates:
            self._blocked = True
        for candidate in chunk.candidates:
            for part in (candidate.content and candidate.content.parts) or ():
                size = len(part.text.encode()) if part.text else 0
                if part.function_call is not None:
                    size += len(part.function_call.args)
                if size or part.function_call is not None:
                    self.started = True
                    self._events += 1
                    self._content_bytes += size
            self._calls += candidate.calls()
            if candidate.finish_reason is not None:
                self._ended.add(candidate.index)


def _chunk(payload: bytes) -> WireAnswer:
    chunk = read(payload)
    if bytes(chunk.error) != b"null":
        raise event_error(payload)
    return chunk
