"""Streamed answers as legacy completions.

Source: platform.openai.com/docs/api-reference/completions/object: chunks have the shape of the whole.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import Delta, Finished, RefusalDelta, TextDelta, UsageReported
from ninefold.domain.errors import StreamInterrupted
from ninefold.domain.usage import NO_USAGE
from ninefold.wire.openai.chat import usage
from ninefold.wire.openai.completions.response import word

_encode = msgspec.json.Encoder().encode


class Encoder:
    """Writes one answer's events. The last object is held back until `finish`, so that one more member fits into it."""

    __slots__ = ("_begin", "_end", "_held", "_include_usage", "_usage")

    def __init__(self, *, model: str, result_id: str, created: int, include_usage: bool) -> None:
        shared = {"id": result_id, "object": "text_completion", "created": created, "model": model}
        self._begin = b"data: " + _encode(shared)[:-1] + b',"choices":['
        self._end = (b',"usage":null' if include_usage else b"") + b"}\n\n"
        self._include_usage = include_usage
        self._held = b""
        self._usage = NO_USAGE

    def encode(self, delta: Delta) -> bytes:
        """Whole events for `delta`, perhaps none: reasoning has no place in a completed text."""
        if isinstance(delta, UsageReported):
            self._usage = delta.usage
        elif isinstance(delta, TextDelta | RefusalDelta) and delta.text:
            return self._release() + self._begin + _choice(delta.text, delta.choice, None) + b"]" + self._end
        elif isinstance(delta, Finished):
            released = self._release()
            self._held = self._begin + _choice("", delta.choice, word(delta.reason)) + b"]"
            return released
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

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held + self._end if held else b""


def _choice(text: str, index: int, finish_reason: str | None) -> bytes:
    return _encode({"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason})
