"""Streamed content, in both directions.

Every chunk is an answer of its own with what is new; there is no last word but the end of the body.
Source: ai.google.dev/api/generate-content#method:-models.streamgeneratecontent.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import (
    Delta,
    Finished,
    FinishReason,
    Opened,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.errors import StreamInterrupted, UpstreamRejected
from ninefold.domain.usage import NO_USAGE
from ninefold.wire.gemini.generate import finish
from ninefold.wire.gemini.generate.frames import Frames
from ninefold.wire.gemini.generate.response import (
    AnswerPart,
    Candidate,
    blocked_words,
    read_generated,
    read_part,
    write_parts,
    write_thought,
)
from ninefold.wire.gemini.generate.usage import members

_encode = msgspec.json.Encoder().encode


class Decoder:
    """Reads one answer's chunks. `done` stays false: only the end of the body ends a stream, and `Finished` is held back until every
    one of the `choices` that were asked for has its reason."""

    __slots__ = ("_calls", "_choices", "_ended", "_opened", "_response_id", "done")

    def __init__(self, choices: int = 1) -> None:
        self.done = False
        self._choices = choices
        self._opened = False
        self._response_id = ""
        self._calls: dict[int, int] = {}
        self._ended: dict[int, Finished] = {}

    def feed(self, name: str, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises: the vendor's error where it sent one; UpstreamRejected for what is not the protocol.
        """
        del name
        found = read_generated(data)
        deltas: list[Delta] = []
        if not self._opened:
            self._opened = True
            self._response_id = found.response_id
            usage = NO_USAGE if found.usage_metadata is None else found.usage_metadata.to_domain()
            deltas.append(Opened(result_id=found.response_id, model=found.model_version, usage=usage))
        before = len(self._ended)
        for candidate in found.candidates or ():
            self._read(candidate, deltas)
        if found.blocked and not found.candidates:
            deltas += (RefusalDelta(text=words.text) for words in blocked_words(found))
            self._ended = {n: Finished(reason=FinishReason.CONTENT_FILTER, choice=n) for n in range(self._choices)}
        if len(self._ended) >= self._choices > before:
            deltas += (self._ended[number] for number in sorted(self._ended))
        if found.usage_metadata is not None:
            deltas.append(UsageReported(usage=found.usage_metadata.to_domain()))
        return deltas

    def _read(self, candidate: Candidate, deltas: list[Delta]) -> None:
        index = candidate.index
        parts = (candidate.content and candidate.content.parts) or ()
        if index in self._ended and any(part.text or part.function_call for part in parts):
            raise UpstreamRejected("The upstream sent more of an answer after its end.")
        for part in parts:
            self._part(part, index, deltas)
        if candidate.finish_reason is not None and index not in self._ended:
            reason = finish.read(candidate.finish_reason, called=index in self._calls)
            self._ended[index] = Finished(reason=reason, choice=index)

    def _part(self, part: AnswerPart, choice: int, deltas: list[Delta]) -> None:
        for said in read_part(part, self._response_id, choice, self._calls.get(choice, 0)):
            if isinstance(said, ToolCall):
                place = self._calls.get(choice, 0)
                self._calls[choice] = place + 1
                deltas.append(ToolCallOpened(index=place, call_id=said.call_id, name=said.name, choice=choice))
                deltas.append(ToolCallDelta(index=place, arguments=said.arguments, choice=choice))
            elif isinstance(said, Reasoning):
                deltas.append(ReasoningDelta(text=said.text, signature=said.signature, redacted=said.redacted, choice=choice))
            else:
                deltas.append(TextDelta(text=said.text, choice=choice))


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: list[str] = []


class Encoder:
    """Writes one answer's chunks. The last one is held back until `finish`, so that one more member fits into it.

    Calls stand whole in one chunk, before the end of their choice: this protocol has no pieces of them.
    """

    __slots__ = ("_calls", "_frames", "_held", "_refused", "_shared", "_usage")

    def __init__(self, *, model: str, result_id: str, frames: Frames) -> None:
        self._frames = frames
        self._shared = _encode({"modelVersion": model, "responseId": result_id})[1:]
        self._usage = NO_USAGE
        self._held = b""
        self._refused: set[int] = set()
        self._calls: dict[int, dict[int, _Call]] = {}

    def encode(self, delta: Delta) -> bytes:
        """Whole chunks for `delta`, perhaps none. Raises: UpstreamRejected for arguments of no call."""
        match delta:
            case TextDelta():
                return self._say(delta.choice, {"text": delta.text}) if delta.text else b""
            case RefusalDelta():
                self._refused.add(delta.choice)
                return self._say(delta.choice, {"text": delta.text}) if delta.text else b""
            case ReasoningDelta():
                thought = Reasoning(text=delta.text, signature=delta.signature, redacted=delta.redacted)
                return self._say(delta.choice, write_thought(thought))
            case ToolCallOpened():
                self._calls.setdefault(delta.choice, {})[delta.index] = _Call(call_id=delta.call_id, name=delta.name)
            case ToolCallDelta():
                call = self._calls.get(delta.choice, {}).get(delta.index)
                if call is None:
                    raise UpstreamRejected("The upstream sent arguments of a tool call that it had not begun.")
                call.arguments.append(delta.arguments)
            case Finished():
                return self._finish(delta)
            case UsageReported():
                self._usage = delta.usage
            case Opened():
                self._usage = delta.usage
        return b""

    def finish(self) -> tuple[bytes, bytes]:
        """The last chunk, cut before its closing brace. Raises: StreamInterrupted where no choice was finished."""
        if not self._held:
            raise StreamInterrupted("The answer ended without a finish reason.")
        usage = b',"usageMetadata":' + _encode(members(self._usage))
        return self._frames.last(self._held + usage + b"," + self._shared[:-1], b"}")

    def _say(self, choice: int, *parts: dict[str, object]) -> bytes:
        released = self._release()
        candidate = {"content": {"parts": parts, "role": "model"}, "index": choice}
        return released + self._frames.chunk(b'{"candidates":' + _encode([candidate]) + b"," + self._shared)

    def _release(self) -> bytes:
        if not self._held:
            return b""
        held, self._held = self._held, b""
        return self._frames.chunk(held + b"," + self._shared)

    def _finish(self, delta: Finished) -> bytes:
        made = self._calls.pop(delta.choice, {})
        whole = tuple(ToolCall(call_id=c.call_id, name=c.name, arguments="".join(c.arguments)) for _, c in sorted(made.items()))
        said = self._say(delta.choice, *write_parts(whole)) if whole else self._release()
        reason = finish.word(delta.reason, refused=delta.choice in self._refused)
        content = {"parts": [{"text": ""}], "role": "model"}
        self._held = b'{"candidates":' + _encode([{"content": content, "finishReason": reason, "index": delta.choice}])
        return said
