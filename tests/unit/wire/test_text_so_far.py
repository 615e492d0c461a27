"""The text of an answer that broke off, in each caller's protocol."""

import json

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.wire.text_so_far import text_so_far


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n\n" for each in documents)


def gemini(text: str, **more: object) -> dict:
    return {"candidates": [{"content": {"parts": [{"text": text, **more}]}}]}


CHAT = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "Good "}}, {"index": 1, "delta": {"content": "other"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]},
    {"choices": [{"index": 0, "delta": {"content": "day"}}]},
    {"choices": [], "usage": {}},
    b"[DONE]",
]
ANTHROPIC = [
    {"type": "message_start", "message": {}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Good "}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "day"}},
]
RESPONSES = [
    {"type": "response.created", "response": {}},
    {"type": "response.function_call_arguments.delta", "delta": "{}"},
    {"type": "response.output_text.delta", "delta": "Good "},
    {"type": "response.output_text.delta", "delta": "day"},
]
COMPLETIONS = [{"choices": [{"index": 0, "text": "Good "}]}, {"choices": [{"index": 0, "text": "day"}]}]
GEMINI = [gemini("hm", thought=True), gemini("Good "), gemini("day"), {"usageMetadata": {}}]


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (Wire.OPENAI, events(*CHAT)),
        (Wire.ANTHROPIC, events(*ANTHROPIC)),
        (Wire.OPENAI_RESPONSES, events(*RESPONSES)),
        (Wire.OPENAI_COMPLETIONS, events(*COMPLETIONS)),
        (Wire.GEMINI, events(*GEMINI)),
        (Wire.GEMINI, b"[" + b",\r\n".join(json.dumps(each).encode() for each in GEMINI)),
        (Wire.GEMINI, json.dumps(GEMINI).encode()),
        (Wire.OPENAI, events(*CHAT[:4]) + b"data: {broken\n\n" + events(*CHAT)),
    ],
)
def test_the_text_so_far(wire, said):
    call = ModelCall(operation=Operation.CHAT, wire=wire, model="m", body=b"{}")
    assert text_so_far(call, said) == "Good day"


@pytest.mark.parametrize("wire", list(Wire))
def test_nothing_has_no_text(wire):
    assert text_so_far(ModelCall(operation=Operation.CHAT, wire=wire, model="m", body=b"{}"), b"") == ""
