"""The text in a piece of a streamed answer, in whichever protocol its caller speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from typing import Final

import msgspec

from ninefold.domain.call import ModelCall, Wire
from ninefold.domain.errors import UpstreamRejected
from ninefold.wire.sse import EventReader


class _Delta(msgspec.Struct):
    content: str | None = None
    text: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None
    index: int = 0


class _Part(msgspec.Struct):
    text: str = ""
    thought: bool = False


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct):
    content: _Content | None = None
    index: int = 0


class _OpenAi(msgspec.Struct):
    choices: list[_Choice] = []


class _Anthropic(msgspec.Struct):
    delta: _Delta | None = None


class _Responses(msgspec.Struct):
    type: str = ""
    delta: object = None


class _Gemini(msgspec.Struct):
    candidates: list[_Candidate] = []


_openai = msgspec.json.Decoder(_OpenAi)
_anthropic = msgspec.json.Decoder(_Anthropic)
_responses = msgspec.json.Decoder(_Responses)
_gemini = msgspec.json.Decoder(_Gemini)
_array = msgspec.json.Decoder(list[msgspec.Raw])


def _of_openai(payload: bytes) -> str:
    first = next((choice for choice in _openai.decode(payload).choices if choice.index == 0), None)
    if first is None:
        return ""
    return first.text or (first.delta.content or "" if first.delta is not None else "")


def _of_anthropic(payload: bytes) -> str:
    delta = _anthropic.decode(payload).delta
    return delta.text or "" if delta is not None else ""


def _of_responses(payload: bytes) -> str:
    event = _responses.decode(payload)
    return event.delta if event.type == "response.output_text.delta" and isinstance(event.delta, str) else ""


def _of_gemini(payload: bytes) -> str:
    first = next((each for each in _gemini.decode(payload).candidates if each.index == 0), None)
    if first is None or first.content is None:
        return ""
    return "".join(part.text for part in first.content.parts if not part.thought)


# Source: the streaming references of the four vendors; of several choices the first is told.
_READERS: Final[dict[Wire, Callable[[bytes], str]]] = {
    Wire.OPENAI: _of_openai,
    Wire.OPENAI_COMPLETIONS: _of_openai,
    Wire.OPENAI_RESPONSES: _of_responses,
    Wire.ANTHROPIC: _of_anthropic,
    Wire.GEMINI: _of_gemini,
}


def text_so_far(call: ModelCall, events: bytes) -> str:
    """The text of the answer in `events`, whole events of a stream in the protocol of `call`; what is no text adds nothing."""
    read = _READERS[call.wire]
    found = StringIO()
    try:
        for payload in _payloads(events):
            if payload != b"[DONE]":
                found.write(read(payload))
    except (msgspec.MsgspecError, UpstreamRejected):
        pass  # an event that is not of its protocol: what stood before it is the text so far
    return found.getvalue()


def _payloads(events: bytes) -> Iterable[bytes]:
    if not events.startswith(b"["):
        return (payload for _, payload in EventReader().feed(events))
    # Gemini's other framing: the elements of one array, which is not closed before the last.
    return map(bytes, _array.decode(events if events.endswith(b"]") else events + b"]"))
