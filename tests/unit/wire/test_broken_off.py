"""Streams in which the vendor says in the middle that it cannot go on: what came before reaches the caller, however the bytes came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from tests.vendors.eventstream import event, exception

from ninefold.adapters.vendor_http.stream import HttpStream
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import NinefoldError
from ninefold.wire.anthropic.messages import stream as anthropic
from ninefold.wire.anthropic.messages.scan import MessageScan
from ninefold.wire.bedrock.converse import stream as bedrock
from ninefold.wire.bedrock.eventstream import FrameReader
from ninefold.wire.dialects.dialect import StreamScan
from ninefold.wire.dialects.translated_scan import TranslatedScan
from ninefold.wire.gemini.generate import stream as gemini
from ninefold.wire.gemini.generate.scan import GenerateScan
from ninefold.wire.openai.chat import stream as chat
from ninefold.wire.openai.chat.scan import ChatScan
from ninefold.wire.openai.completions.scan import CompletionScan
from ninefold.wire.openai.responses.scan import ResponseScan


def call(wire: Wire) -> ModelCall:
    path = "/v1beta/models/fast:streamGenerateContent?alt=sse" if wire is Wire.GEMINI else ""
    return ModelCall(operation=Operation.CHAT, wire=wire, model="fast", body=b"{}" * 20, stream=True, path=path)


def data(body: object) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def named(kind: str, **body: object) -> bytes:
    return f"event: {kind}\n".encode() + data({"type": kind} | body)


def chat_chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


CHAT = [chat_chunk("one"), chat_chunk("two"), data({"error": {"message": "boom", "type": "server_error"}})]
MESSAGE = [
    named("message_start", message={"id": "m", "type": "message", "role": "assistant", "model": "c", "usage": {"input_tokens": 5}}),
    named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    *(named("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in ("one", "two")),
    named("error", error={"type": "overloaded_error", "message": "Overloaded"}),
]  # fmt: skip
GEMINI = [
    *(data({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}) for text in ("one", "two")),
    data({"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}),
]
LEGACY = [
    *(data({"id": "c", "model": "m", "choices": [{"text": text, "index": 0, "finish_reason": None}]}) for text in ("one", "two")),
    data({"error": {"message": "boom", "type": "server_error"}}),
]
RESPONSES = [
    *(named("response.output_text.delta", item_id="i", output_index=0, content_index=0, delta=text) for text in ("one", "two")),
    named("error", code="server_error", message="boom"),
]
CONVERSE = [
    event("messageStart", {"role": "assistant"}),
    *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in ("one", "two")),
    exception("internalServerException", "boom"),
]

STREAMS: dict[str, tuple[Callable[[], StreamScan], list[bytes]]] = {
    "chat": (lambda: ChatScan(call(Wire.OPENAI)), CHAT),
    "chat translated": (lambda: TranslatedScan(call(Wire.ANTHROPIC), chat.Decoder()), CHAT),
    "messages": (lambda: MessageScan(call(Wire.ANTHROPIC)), MESSAGE),
    "messages translated": (lambda: TranslatedScan(call(Wire.OPENAI), anthropic.Decoder()), MESSAGE),
    "generate": (lambda: GenerateScan(call(Wire.GEMINI)), GEMINI),
    "generate translated": (lambda: TranslatedScan(call(Wire.OPENAI), gemini.Decoder()), GEMINI),
    "completions": (lambda: CompletionScan(call(Wire.OPENAI_COMPLETIONS)), LEGACY),
    "responses": (lambda: ResponseScan(call(Wire.OPENAI_RESPONSES)), RESPONSES),
    "converse": (lambda: TranslatedScan(call(Wire.OPENAI), bedrock.Decoder(result_id="r", model="fast"), FrameReader()), CONVERSE),
}


class Bytes:
    """A response whose body comes in these pieces, and then no more for ever."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.aborted = False

    def expect_by(self, at: float) -> None:
        del at

    async def chunk(self) -> bytes:
        if not self._pieces:
            await asyncio.Event().wait()
        return self._pieces.pop(0)

    def abort(self) -> None:
        self.aborted = True


async def told(scan: StreamScan, pieces: list[bytes]) -> tuple[bytes, NinefoldError]:
    """What the caller gets of the stream, and the error behind it."""
    response = Bytes(list(pieces))
    stream = HttpStream(response, scan, 5.0)
    out = b""
    try:
        await stream.begin(asyncio.get_running_loop().time() + 5)
        while (got := await stream.next()) is not None:
            out += got
    except NinefoldError as error:
        assert response.aborted
        return out, error
    raise AssertionError("the stream ended as if it were whole")


@pytest.mark.parametrize("name", STREAMS)
def test_what_came_before_an_error_reaches_the_caller_however_it_came(name: str) -> None:
    make, events = STREAMS[name]
    apart, error = asyncio.run(told(make(), events))
    assert apart.find(b"one") < apart.find(b"two")
    assert b"one" in apart
    assert b"boom" not in apart
    whole = b"".join(events)
    for pieces in ([whole], [*events[:-2], events[-2] + events[-1]], [whole[:-30], whole[-30:]], [events[0], b"".join(events[1:])]):
        scan = make()
        together, same = asyncio.run(told(scan, pieces))
        assert strip(together) == strip(apart)
        assert (type(same), same.detail) == (type(error), error.detail)
        assert not scan.complete
        assert scan.usage.output_tokens >= 2


@pytest.mark.parametrize("name", STREAMS)
def test_an_error_before_anything_was_said_leaves_the_choice_open(name: str) -> None:
    make, events = STREAMS[name]
    said = 2 if name in {"messages", "messages translated"} else 1 if name == "converse" else 0
    with pytest.raises(NinefoldError):
        make().feed(b"".join(events[:said]) + events[-1])


def strip(written: bytes) -> bytes:
    """Without what is different at every moment: the time in chat chunks."""
    return b"\n".join(line for line in written.split(b"\n") if b'"created"' not in line or b'"content"' in line)
