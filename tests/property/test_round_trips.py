"""Conversations and answers through any chain of protocols and back: nothing is lost, added or reordered."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.answers import ids, json_objects, relaxed, words

from ninefold.domain.call import Wire
from ninefold.domain.chat import ChatRequest, ChatResult, Choice, FinishReason, Role, Text, Tool, ToolCall, ToolResult, Turn
from ninefold.domain.usage import Usage
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.anthropic.messages import response as anthropic_answer
from ninefold.wire.gemini.generate import request as gemini
from ninefold.wire.gemini.generate import response as gemini_answer
from ninefold.wire.openai.chat import request as openai
from ninefold.wire.openai.chat import response as openai_answer
from ninefold.wire.openai.responses import request as responses

# How a request, and an answer, goes through each protocol that has both directions.
THROUGH = {
    "openai": lambda r, wire: openai.decode(openai.encode(r, model="m", max_output_tokens=100, stream=False)),
    "anthropic": lambda r, wire: anthropic.decode(anthropic.encode(r, model="m", max_output_tokens=100, stream=False)),
    "gemini": lambda r, wire: gemini.decode(gemini.encode(r, model="gemini-3-pro", max_output_tokens=100, wire=wire), "m", stream=False),
}
WIRES = {"openai": Wire.OPENAI, "anthropic": Wire.ANTHROPIC, "gemini": Wire.GEMINI}
ANSWERED = {
    "openai": lambda r: openai_answer.decode(openai_answer.encode(r, model="m", result_id="r", created=1)),
    "anthropic": lambda r: anthropic_answer.decode(anthropic_answer.encode(r, model="m", result_id="r", created=1)),
    "gemini": lambda r: gemini_answer.decode(gemini_answer.encode(r, model="m", result_id="r")),
}
CHAINS = [chain for length in (2, 3) for chain in permutations(THROUGH, length)]
few = settings(relaxed, max_examples=20)
named = pytest.mark.parametrize("chain", CHAINS, ids="-".join)


@st.composite
def conversations(draw):
    """A system prompt, and questions with calls made in parallel, their results in any order, some words between, and an answer."""
    turns = [Turn(role=Role.SYSTEM, parts=(Text(text=draw(words)),))] if draw(st.booleans()) else []
    number = 0
    names = draw(st.lists(ids, min_size=1, max_size=3, unique=True))
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Turn(role=Role.USER, parts=(Text(text=draw(words)),)))
        made = []
        for name, arguments in draw(st.lists(st.tuples(st.sampled_from(names), json_objects()), min_size=1, max_size=3)):
            made.append(ToolCall(call_id=f"call_{number}", name=name, arguments=arguments))
            number += 1
        said = (Text(text=draw(words)),) if draw(st.booleans()) else ()
        turns.append(Turn(role=Role.ASSISTANT, parts=(*said, *made)))
        for call in draw(st.permutations(made)):
            returned = draw(words | json_objects() | st.just(""))
            parts = (Text(text=returned),) if returned else ()
            turns.append(Turn(role=Role.TOOL, parts=(ToolResult(call_id=call.call_id, parts=parts),)))
        turns.append(Turn(role=Role.ASSISTANT, parts=(Text(text=draw(words)),)))
    turns.append(Turn(role=Role.USER, parts=(Text(text=draw(words)),)))
    tools = tuple(Tool(name=name, parameters='{"type":"object"}', description="A tool.") for name in names)
    return ChatRequest(model="m", turns=tuple(turns), tools=tools, max_output_tokens=100)


def told(request):
    """Every part in order with who said it, and the tools."""
    parts = [(turn.role, plain(part)) for turn in request.turns for part in turn.parts]
    return parts, [(tool.name, json.loads(tool.parameters), tool.description) for tool in request.tools]


def plain(part):
    """A call's arguments by their value: Gemini's protocol carries them as an object, whose spelling is nobody's."""
    return (
        ToolCall(call_id=part.call_id, name=part.name, arguments=json.dumps(json.loads(part.arguments)))
        if isinstance(part, ToolCall)
        else part
    )


@named
@few
@given(request=conversations())
def test_a_conversation_comes_back(chain, request):
    # The caller's protocol is the first: what is between is only carried.
    found = request
    for name in (*chain, chain[0]):
        found = THROUGH[name](found, WIRES[chain[0]])
    assert told(found) == told(request)


@st.composite
def answers(draw):
    """Text, calls, or both; the spelling of arguments included."""
    made = [
        ToolCall(call_id=f"call_{n}", name=name, arguments=text)
        for n, (name, text) in enumerate(draw(st.lists(st.tuples(ids, json_objects()), max_size=3)))
    ]
    text = (Text(text=draw(words)),) if not made or draw(st.booleans()) else ()
    finish = FinishReason.TOOL_CALLS if made else draw(st.sampled_from([FinishReason.STOP, FinishReason.LENGTH]))
    usage = Usage(
        input_tokens=draw(st.integers(9, 99)), output_tokens=draw(st.integers(1, 99)), cached_input_tokens=draw(st.integers(0, 9))
    )
    return ChatResult(result_id="r", model="m", choices=(Choice(parts=(*text, *made), finish=finish),), usage=usage)


@named
@few
@given(result=answers())
def test_an_answer_comes_back(chain, result):
    found = result
    for name in (*chain, chain[0]):
        found = ANSWERED[name](found)
    (choice,) = found.choices
    assert [plain(part) for part in choice.parts] == [plain(part) for part in result.choices[0].parts]
    assert choice.finish is result.choices[0].finish
    assert found.usage == result.usage


def items(request):
    """The conversation as a caller of the Responses API writes it."""
    out = []
    for turn in request.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                out.append({"type": "function_call", "call_id": part.call_id, "name": part.name, "arguments": part.arguments})
            elif isinstance(part, ToolResult):
                out.append({"type": "function_call_output", "call_id": part.call_id, "output": "".join(each.text for each in part.parts)})
            else:
                kind = "output_text" if turn.role is Role.ASSISTANT else "input_text"
                out.append({"role": turn.role.value, "content": [{"type": kind, "text": part.text}]})
    tools = [
        {"type": "function", "name": t.name, "description": t.description, "parameters": json.loads(t.parameters)} for t in request.tools
    ]
    return json.dumps({"model": "m", "input": out, "tools": tools}, ensure_ascii=False).encode()


@pytest.mark.parametrize("vendor", THROUGH)
@few
@given(request=conversations())
def test_a_caller_of_responses_loses_nothing_on_the_way_to_a_vendor(vendor, request):
    read = responses.decode(items(request))
    assert told(read) == told(request)
    assert told(THROUGH[vendor](read, Wire.OPENAI_RESPONSES)) == told(request)
