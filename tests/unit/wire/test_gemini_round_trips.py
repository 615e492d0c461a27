"""Tool calls through Gemini and back: ids, names, arguments, results and what Gemini signed, for callers of every protocol."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import Wire
from ninefold.domain.chat import ChatRequest, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from ninefold.wire import call_ids
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.anthropic.messages import response as anthropic_response
from ninefold.wire.gemini.generate import request as gemini
from ninefold.wire.gemini.generate import response as gemini_response
from ninefold.wire.gemini.generate import signature
from ninefold.wire.openai.chat import request as openai
from ninefold.wire.openai.chat import response as openai_response

from .answers import ids, json_objects, relaxed, words

TO = {
    "openai": lambda r, wire: openai.encode(r, model="m", max_output_tokens=100, stream=False),
    "anthropic": lambda r, wire: anthropic.encode(r, model="m", max_output_tokens=100, stream=False),
    "gemini": lambda r, wire: gemini.encode(r, model="gemini-3-pro", max_output_tokens=100, wire=wire),
}
FROM = {"openai": openai.decode, "anthropic": anthropic.decode, "gemini": lambda body: gemini.decode(body, "m", stream=False)}
WIRES = {"openai": Wire.OPENAI, "anthropic": Wire.ANTHROPIC, "gemini": Wire.GEMINI}
PAIRS = [(a, b) for a in TO for b in TO if a != b and "gemini" in {a, b}]


@st.composite
def conversations(draw):
    """Questions, calls made in parallel with ids that may be signed, their results in any order, and an answer."""
    turns = [Turn(role=Role.USER, parts=(Text(text=draw(words)),))]
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        made = []
        for name, arguments in draw(st.lists(st.tuples(ids, json_objects()), min_size=1, max_size=3)):
            made.append(ToolCall(call_id=f"call_{number}", name=name, arguments=arguments))
            number += 1
        turns.append(Turn(role=Role.ASSISTANT, parts=tuple(made)))
        for call in draw(st.permutations(made)):
            said = draw(words | json_objects() | st.just(""))
            parts = (Text(text=said),) if said else ()
            turns.append(Turn(role=Role.TOOL, parts=(ToolResult(call_id=call.call_id, parts=parts),)))
    turns.append(Turn(role=Role.USER, parts=(Text(text=draw(words)),)))
    return ChatRequest(model="m", turns=tuple(turns), max_output_tokens=100)


def told(request: ChatRequest) -> list[object]:
    """Every part, in order, with who said it."""
    return [(turn.role, part) for turn in request.turns for part in turn.parts]


@pytest.mark.parametrize(("there", "via"), PAIRS)
@relaxed
@given(request=conversations())
def test_a_conversation_with_calls_survives_a_round_trip(there, via, request):
    first = FROM[there](TO[there](request, WIRES[there]))
    assert told(first) == told(request)
    across = FROM[via](TO[via](first, WIRES[there]))
    back = FROM[there](TO[there](across, WIRES[via]))
    assert told(back) == told(request)


@relaxed
@given(call_id=ids, signature=st.text(max_size=40) | st.binary(max_size=40).map(lambda b: __import__("base64").b64encode(b).decode()))
def test_an_id_gives_back_what_was_joined(call_id, signature):
    joined = call_ids.join(call_id, signature)
    assert call_ids.split(joined) == (call_id, signature or None)
    assert call_ids.bare(joined) == call_id
    assert all(c.isalnum() or c in "_-" for c in joined.removeprefix(call_id))


SIGNED = {
    "responseId": "r-1",
    "modelVersion": "gemini-3-pro",
    "candidates": [
        {
            "index": 0,
            "finishReason": "STOP",
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Let me see.", "thought": True},
                    {"functionCall": {"name": "weather", "args": {"city": "Köln"}}, "thoughtSignature": "AbC+/w=="},
                    {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                ],
            },
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 21},
}


def openai_history(result):
    message = json.loads(openai_response.encode(result, model="m", result_id="r", created=1))["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": c["id"], "content": c["function"]["arguments"]} for c in message["tool_calls"]]
    return openai.decode(json.dumps({"model": "m", "messages": [{"role": "user", "content": "?"}, message, *results]}).encode())


def anthropic_history(result):
    blocks = json.loads(anthropic_response.encode(result, model="m", result_id="r", created=1))["content"]
    results = [
        {"type": "tool_result", "tool_use_id": b["id"], "content": json.dumps(b["input"])} for b in blocks if b["type"] == "tool_use"
    ]
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
    return anthropic.decode(json.dumps({"model": "m", "max_tokens": 9, "messages": turns}).encode())


@pytest.mark.parametrize(("history", "wire"), [(openai_history, Wire.OPENAI), (anthropic_history, Wire.ANTHROPIC)])
def test_what_gemini_signed_comes_back_to_it(history, wire):
    result = gemini_response.decode(json.dumps(SIGNED).encode())
    request = history(result)
    sent = json.loads(gemini.encode(request, model="gemini-3-pro", max_output_tokens=9, wire=wire))
    _, made, returned = sent["contents"]
    thought, first, second = made["parts"]
    assert thought == {"text": "Let me see.", "thought": True}
    assert first["thoughtSignature"] == "AbC+/w=="
    assert (first["functionCall"]["name"], first["functionCall"]["args"]) == ("weather", {"city": "Köln"})
    assert "thoughtSignature" not in second
    assert [part["functionResponse"]["id"] for part in returned["parts"]] == [first["functionCall"]["id"], second["functionCall"]["id"]]
    assert [part["functionResponse"]["response"] for part in returned["parts"]] == [{"city": "Köln"}, {"city": "Oslo"}]
    assert len({first["functionCall"]["id"], second["functionCall"]["id"]}) == 2


def test_calls_of_other_models_get_the_signature_that_stands_for_none():
    turns = (
        Turn(role=Role.USER, parts=(Text(text="?"),)),
        Turn(
            role=Role.ASSISTANT,
            parts=(ToolCall(call_id="a", name="f", arguments="{}"), ToolCall(call_id="b", name="g", arguments="{}")),
        ),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="a", parts=()), ToolResult(call_id="b", parts=()))),
    )
    request = ChatRequest(model="m", turns=turns)
    for model, expected in (("gemini-3-pro", "skip_thought_signature_validator"), ("gemini-2.5-flash", None)):
        sent = json.loads(gemini.encode(request, model=model, max_output_tokens=9, wire=Wire.OPENAI))
        first, second = sent["contents"][1]["parts"]
        assert first.get("thoughtSignature") == expected
        assert "thoughtSignature" not in second


def test_calls_without_ids_pair_with_their_results_by_name_and_order():
    contents = [
        {"role": "user", "parts": [{"text": "?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": n, "args": {"n": i}}} for i, n in enumerate(["f", "g", "f"])]},
        {"role": "user", "parts": [{"functionResponse": {"name": n, "response": {"output": n + t}}} for n, t in ["g1", "f1", "f2"]]},
    ]
    request = gemini.decode(json.dumps({"contents": contents}).encode(), "m", stream=False)
    made = [part for part in request.turns[1].parts if isinstance(part, ToolCall)]
    returned = [part for part in request.turns[2].parts if isinstance(part, ToolResult)]
    assert [r.call_id for r in returned] == [made[1].call_id, made[0].call_id, made[2].call_id]
    assert [r.parts[0].text for r in returned] == ["g1", "f1", "f2"]
    again = gemini.decode(json.dumps({"contents": contents}).encode(), "m", stream=False)
    assert again == request


@pytest.mark.parametrize(
    "reasoning",
    [
        Reasoning(text="hm", signature="c2ln"),
        Reasoning(text="hm", signature="no base64 ü"),
        Reasoning(redacted="sealed"),
        Reasoning(text="hm"),
    ],
)
def test_another_vendors_reasoning_survives_a_gemini_caller(reasoning):
    written = gemini_response.write_thought(reasoning)
    contents = [{"role": "user", "parts": [{"text": "?"}]}, {"role": "model", "parts": [written, {"text": "x"}]}]
    request = gemini.decode(json.dumps({"contents": contents}).encode(), "m", stream=False)
    assert request.turns[1].parts == (reasoning, Text(text="x"))


def test_other_vendors_get_bare_ids_and_gemini_no_foreign_signatures():
    joined = call_ids.join("call_1", "AbC+/w==")
    kept = {"role": "user", "content": f'say "id": "x{call_ids.MARK}bZZ"'}
    messages = [kept, {"role": "assistant", "tool_calls": [{"id": joined}]}, {"role": "tool", "tool_call_id": joined, "content": "x"}]
    stripped = json.loads(call_ids.stripped(json.dumps({"messages": messages}).encode()))
    assert stripped["messages"] == [
        kept,
        {"role": "assistant", "tool_calls": [{"id": "call_1"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "x"},
    ]
    for reasoning in (Reasoning(text="hm", signature="c2ln"), Reasoning(redacted="sealed")):
        part = gemini_response.write_thought(reasoning)
        sent = json.loads(signature.without_foreign(json.dumps([part, {"text": part["thoughtSignature"]}]).encode()))
        assert sent[0]["thoughtSignature"] == signature.UNSIGNED
        assert sent[1]["text"] == part["thoughtSignature"]
    own = json.dumps(gemini_response.write_thought(Reasoning(text="hm", signature="gemini-QUJD"))).encode()
    assert signature.without_foreign(own) == own
