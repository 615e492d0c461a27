"""What is taken out of conversations, and what never is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import ContextTooLong
from ninefold.wire.dialects.token_estimate import estimate
from ninefold.wire.prompts.cache_marks import marked
from ninefold.wire.prompts.prefix import prefix_digest
from ninefold.wire.prompts.shorten import Shortened, shorten, with_summary
from ninefold.wire.prompts.slim import slim, slim_text


def call(wire: Wire, **body: Any) -> ModelCall:
    raw = json.dumps(body).encode()
    return ModelCall(operation=Operation.CHAT, wire=wire, model="m", body=raw, input_tokens_bound=len(raw))


def user(wire: Wire, text: str) -> list[dict[str, Any]]:
    if wire is Wire.GEMINI:
        return [{"role": "user", "parts": [{"text": text}]}]
    return [{"role": "user", "content": text}]


def said(wire: Wire, text: str) -> list[dict[str, Any]]:
    if wire is Wire.GEMINI:
        return [{"role": "model", "parts": [{"text": text}]}]
    return [{"role": "assistant", "content": text}]


def tool_use(wire: Wire, number: int, count: int) -> list[dict[str, Any]]:
    """`count` parallel calls and their results."""
    ids = [f"call-{number}-{each}" for each in range(count)]
    if wire is Wire.OPENAI:
        calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}} for each in ids]
        return [
            {"role": "assistant", "tool_calls": calls},
            *({"role": "tool", "tool_call_id": each, "content": "result " * 5} for each in ids),
        ]
    if wire is Wire.ANTHROPIC:
        return [
            {"role": "assistant", "content": [{"type": "tool_use", "id": each, "name": "f", "input": {"a": 1}} for each in ids]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": each, "content": "result " * 5} for each in ids]},
        ]
    if wire is Wire.GEMINI:
        return [
            {"role": "model", "parts": [{"functionCall": {"id": each, "name": "f", "args": {"a": 1}}} for each in ids]},
            {"role": "user", "parts": [{"functionResponse": {"id": each, "name": "f", "response": {"r": "result " * 5}}} for each in ids]},
        ]
    return [
        {"type": "reasoning", "id": f"rs-{number}", "summary": []},
        *({"type": "function_call", "call_id": each, "name": "f", "arguments": "{}"} for each in ids),
        *({"type": "function_call_output", "call_id": each, "output": "result " * 5} for each in ids),
    ]


MEMBER = {Wire.OPENAI: "messages", Wire.ANTHROPIC: "messages", Wire.GEMINI: "contents", Wire.OPENAI_RESPONSES: "input"}
WIRES = st.sampled_from(list(MEMBER))
KINDS = st.lists(st.tuples(st.sampled_from(["user", "said", "tools"]), st.integers(1, 40)), max_size=14)


def turns_of(wire: Wire, kinds: list[tuple[str, int]]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    if wire is Wire.OPENAI:
        turns.append({"role": "system", "content": "Be brief."})
    for number, (kind, size) in enumerate(kinds):
        if kind == "tools":
            turns += tool_use(wire, number, 1 + size % 3)
        else:
            turns += (user if kind == "user" else said)(wire, f"{number} " + "word " * size)
    return turns + user(wire, "the question")


def ids_in(turns: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Ids of the calls and of the results, wherever they stand."""
    calls: list[str] = []
    results: list[str] = []
    for turn in turns:
        calls += [each["id"] for each in turn.get("tool_calls", [])]
        if turn.get("role") == "tool":
            results.append(turn["tool_call_id"])
        if turn.get("type") == "function_call":
            calls.append(turn["call_id"])
        if turn.get("type") == "function_call_output":
            results.append(turn["call_id"])
        blocks = turn.get("content") if isinstance(turn.get("content"), list) else turn.get("parts", [])
        for block in blocks:
            if block.get("type") == "tool_use":
                calls.append(block["id"])
            if block.get("type") == "tool_result":
                results.append(block["tool_use_id"])
            if "functionCall" in block:
                calls.append(block["functionCall"]["id"])
            if "functionResponse" in block:
                results.append(block["functionResponse"]["id"])
    return calls, results


@given(wire=WIRES, kinds=KINDS, strategy=st.sampled_from(["drop_oldest", "middle_out", "summarise"]), room=st.integers(20, 900))
def test_a_call_is_never_parted_from_its_result_and_what_is_left_fits(wire: Wire, kinds: list[tuple[str, int]], strategy: str, room: int):
    turns = turns_of(wire, kinds)
    asked = call(wire, model="m", other=1, **{MEMBER[wire]: turns})
    try:
        found = shorten(asked, strategy, room)
    except ContextTooLong:
        return
    left = json.loads(found.call.body)
    kept = left[MEMBER[wire]]
    assert left["other"] == 1
    assert kept == [turn for place, turn in enumerate(turns) if place not in found.removed]
    assert kept[-1] == turns[-1]
    calls, results = ids_in(kept)
    assert sorted(calls) == sorted(results)
    if wire is Wire.OPENAI:
        assert kept[0] == turns[0]
    if found.removed and wire is not Wire.OPENAI_RESPONSES:
        first = kept[1 if wire is Wire.OPENAI else 0]
        assert (first["role"], ids_in([first])) == ("user", ([], []))
    assert estimate(json.dumps(kept, separators=(",", ":"))) <= room + 4


def test_the_oldest_goes_first_and_the_middle_goes_first():
    turns = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"{n} " + "word " * 50} for n in range(9)]
    asked = call(Wire.OPENAI, messages=turns)
    oldest, middle = shorten(asked, "drop_oldest", 450), shorten(asked, "middle_out", 450)
    assert oldest.removed == tuple(range(len(oldest.removed)))
    assert 0 not in middle.removed
    assert {3, 4} <= set(middle.removed)
    assert middle.removed_tokens >= 50


def test_what_cannot_be_cut_says_so():
    with pytest.raises(ContextTooLong, match="room for 10"):
        shorten(call(Wire.OPENAI, messages=[{"role": "user", "content": "word " * 100}]), "drop_oldest", 10)
    with pytest.raises(ContextTooLong, match="no conversation"):
        shorten(call(Wire.OPENAI_RESPONSES, input="word " * 100), "drop_oldest", 10)


@pytest.mark.parametrize("wire", list(MEMBER))
def test_a_summary_stands_where_the_turns_were(wire: Wire):
    turns = turns_of(wire, [("user", 300), ("said", 300)])
    found = shorten(call(wire, **{MEMBER[wire]: turns}), "summarise", 700)
    assert isinstance(found, Shortened)
    assert "word" in found.text
    body = json.loads(with_summary(found, "They spoke of words.").body)[MEMBER[wire]]
    assert "They spoke of words." in json.dumps(body[-2])
    assert body[-1] == turns[-1]


@given(st.text(alphabet=st.sampled_from("ab \t\n`|#"), max_size=200))
def test_slimming_is_idempotent_and_keeps_every_word_in_order(text: str):
    once = slim_text(text)
    assert slim_text(once) == once
    assert len(once) <= len(text)
    assert [word for word in once.split() if word][:1] == [word for word in text.split() if word][:1]


def test_code_tables_and_indentation_stay():
    code = "Do this:\n```python\nif  x:\n\n\n    y  =  1   \n```\n"
    table = "| a   | b  |\n|-----|----|"
    assert slim_text(code) == code
    assert slim_text(table) == table
    assert slim_text("    indented text  here   ") == "    indented text here"
    assert slim_text("name   amount   price") == "name   amount   price"


def test_blank_runs_and_repeated_lines_go():
    assert slim_text("a  b\n\n\n\nc   \n===\n===\n===\n===\nd") == "a b\n\nc\n===\n===\nd"


def test_only_system_and_user_texts_are_slimmed():
    messages = [
        {"role": "system", "content": "Be   brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look   here"}, {"type": "image_url", "image_url": {"url": "http://h/a   b"}}],
        },
        {"role": "assistant", "content": "as   I   said"},
        {"role": "tool", "tool_call_id": "c", "content": "a   b"},
    ]
    found = slim(call(Wire.OPENAI, model="m", messages=messages))
    assert found.after_bytes < found.before_bytes
    left = json.loads(found.call.body)["messages"]
    assert left[0]["content"] == "Be brief."
    assert left[1]["content"] == [{"type": "text", "text": "Look here"}, messages[1]["content"][1]]
    assert left[2:] == messages[2:]


def test_tool_results_of_anthropic_callers_stay():
    messages = [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "a   b"}, {"type": "text", "text": "c   d"}]}
    ]
    left = json.loads(slim(call(Wire.ANTHROPIC, system="x   y", messages=messages)).call.body)
    assert left["system"] == "x y"
    assert left["messages"][0]["content"] == [messages[0]["content"][0], {"type": "text", "text": "c d"}]


def test_cache_marks_end_a_long_beginning_and_leave_a_callers_own_alone():
    long = "rule " * 1000
    body = json.loads(marked(call(Wire.ANTHROPIC, system=long, tools=[{"name": "a"}, {"name": "b"}], messages=[])).body)
    assert body["system"] == [{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]
    assert [("cache_control" in tool) for tool in body["tools"]] == [False, True]
    own = call(Wire.ANTHROPIC, system=[{"type": "text", "text": long, "cache_control": {"type": "ephemeral", "ttl": "1h"}}], messages=[])
    assert marked(own) is own
    short = call(Wire.ANTHROPIC, system="short", messages=[])
    assert marked(short) is short


def test_requests_that_begin_alike_share_a_digest():
    def asked(system: str, first: str, *more: str) -> bytes:
        texts = [{"role": "user", "content": text} for text in (first, *more)]
        return prefix_digest(call(Wire.OPENAI, messages=[{"role": "system", "content": system}, *texts]))

    assert asked("s", "a", "b") == asked("s", "a", "c", "d")
    assert asked("s", "a") != asked("s", "b")
    assert asked("s", "a") != asked("t", "a")
