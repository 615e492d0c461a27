"""Requests through either protocol and from one to the other."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninefold.domain.chat import (
    ChatRequest,
    OutputFormat,
    OutputKind,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolMode,
    ToolResult,
    Turn,
)
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.anthropic.count_tokens import request as count
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.openai.chat import request as openai
from ninefold.wire.openai.embeddings import request as embeddings

from .answers import relaxed
from .conversations import requests


def through_openai(request: ChatRequest) -> ChatRequest:
    body = openai.encode(request, model=request.model, max_output_tokens=request.max_output_tokens, stream=request.stream)
    return openai.decode(body)


def through_anthropic(request: ChatRequest) -> ChatRequest:
    cap = request.max_output_tokens or 100
    return anthropic.decode(anthropic.encode(request, model=request.model, max_output_tokens=cap, stream=request.stream))


def one_result_a_turn(request: ChatRequest) -> ChatRequest:
    """Both protocols' results in the shape of chat completions: a turn each. An order of schema names says nothing."""
    turns: list[Turn] = []
    for turn in request.turns:
        if turn.role is Role.TOOL:
            turns += [Turn(role=Role.TOOL, parts=(part,)) for part in turn.parts]
        else:
            turns.append(turn)
    choice = request.tool_choice
    if choice is not None and choice.mode is ToolMode.NONE:
        choice = replace(choice, parallel=None)
    output = replace(request.output, name=None)
    return replace(request, turns=tuple(turns), tool_choice=choice, output=output)


@relaxed
@given(request=requests(), seed=st.none() | st.integers(), penalty=st.none() | st.floats(-2, 2), n=st.integers(1, 3), names=st.booleans())
def test_chat_completions_lose_nothing(request, seed, penalty, n, names):
    request = replace(
        request,
        choices=n,
        sampling=replace(request.sampling, seed=seed, frequency_penalty=penalty, presence_penalty=penalty, logprobs=True, top_logprobs=2),
        turns=tuple(replace(t, name="ann") if names and t.role is Role.USER else t for t in request.turns),
        extra=(("logit_bias", '{"50256":-100}'), ("service_tier", '"flex"'), ("store", "true")),
    )
    assert through_openai(request) == request


@relaxed
@given(request=requests(), top_k=st.none() | st.integers(1, 50))
def test_messages_lose_nothing(request, top_k):
    request = replace(request, sampling=replace(request.sampling, top_k=top_k), extra=(("container", '"c1"'), ("inference_geo", '"us"')))
    assert one_result_a_turn(through_anthropic(request)) == one_result_a_turn(request)


@relaxed
@given(request=requests())
def test_nothing_is_lost_from_chat_completions_to_messages_and_back(request):
    there = through_anthropic(through_openai(request))
    assert one_result_a_turn(through_openai(there)) == one_result_a_turn(request)


@relaxed
@given(request=requests())
def test_nothing_is_lost_from_messages_to_chat_completions_and_back(request):
    there = through_openai(through_anthropic(request))
    assert one_result_a_turn(through_anthropic(there)) == one_result_a_turn(request)


ARGUMENTS = [
    "",
    "{}",
    '{"a": 1,\n "b":[1.0, 1e5, 12345678901234567890123]}',
    '{"cut": "of',
    "[1,2]",
    '"text"',
    "null",
    '{"a":1}}',
    '{"dup":1,"dup":2}',
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_arguments_of_any_text_come_back_as_they_were(arguments):
    asked = Turn(role=Role.USER, parts=(Text(text="go"),))
    turn = Turn(role=Role.ASSISTANT, parts=(ToolCall(call_id="call_1", name="f", arguments=arguments),))
    request = ChatRequest(model="m", turns=(asked, turn), max_output_tokens=5)
    assert through_openai(request).turns[1] == turn
    [call] = through_anthropic(request).turns[1].parts
    assert call.arguments == (arguments or "{}")


def test_tool_results_share_one_user_message_with_what_the_user_adds():
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_a", "type": "function", "function": {"name": "w", "arguments": '{"city": "Paris"}'}},
                    {"id": "functions.w:1", "type": "function", "function": {"name": "w", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_a", "content": "15C"},
            {
                "role": "tool",
                "tool_call_id": "functions.w:1",
                "content": [{"type": "text", "text": "16C"}, {"type": "text", "text": "wind"}],
            },
            {"role": "user", "content": "thanks"},
        ],
    }
    written = json.loads(anthropic.encode(openai.decode(json.dumps(body).encode()), model="c", max_output_tokens=9, stream=False))
    safe = "functions_x2e_w_x3a_1"
    assert written == {
        "model": "c",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_a", "name": "w", "input": {"city": "Paris"}},
                    {"type": "tool_use", "id": safe, "name": "w", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_a", "content": "15C"},
                    {
                        "type": "tool_result",
                        "tool_use_id": safe,
                        "content": [{"type": "text", "text": "16C"}, {"type": "text", "text": "wind"}],
                    },
                    {"type": "text", "text": "thanks"},
                ],
            },
        ],
    }


def test_a_coding_agents_request_becomes_chat_completions():
    body = b"""{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,
      "system":[{"type":"text","text":"You are an agent.","cache_control":{"type":"ephemeral"}}],
      "metadata":{"user_id":"u_1","session":"s"},"thinking":{"type":"enabled","budget_tokens":10000},
      "tools":[{"name":"Bash","description":"run","input_schema":{ "type":"object", "properties":{"cmd":{"type":"string"}}},
                "cache_control":{"type":"ephemeral","ttl":"1h"}}],
      "tool_choice":{"type":"auto","disable_parallel_tool_use":true},
      "messages":[{"role":"user","content":[{"type":"text","text":"list"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"ok","citations":null},
          {"type":"tool_use","id":"toolu_1","name":"Bash","input":{ "cmd":"ls" },"caller":{"type":"direct"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,
           "content":[{"type":"text","text":"no such dir"}]},
          {"type":"text","text":"go on","cache_control":{"type":"ephemeral"}}]}]}"""
    written = json.loads(openai.encode(anthropic.decode(body), model="gpt-5-mini", max_output_tokens=32000, stream=True))
    assert written == {
        "model": "gpt-5-mini",
        "max_completion_tokens": 32000,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u_1",
        "reasoning_effort": "medium",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "Bash",
                    "description": "run",
                    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
                },
            }
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "You are an agent."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "list"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            },
            {
                "role": "assistant",
                "content": "ok",
                "reasoning_content": "hm",
                "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "Bash", "arguments": '{ "cmd":"ls" }'}}],
            },
            {"role": "tool", "tool_call_id": "toolu_1", "content": "Error: no such dir"},
            {"role": "user", "content": "go on"},
        ],
    }


def test_the_cap_is_named_as_the_server_knows_it():
    request = openai.decode(b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":7}')
    assert request.max_output_tokens == 7
    assert json.loads(openai.encode(request, model="m", max_output_tokens=7, stream=False, legacy_max_tokens=True))["max_tokens"] == 7
    assert "max_tokens" not in json.loads(openai.encode(request, model="m", max_output_tokens=7, stream=False))


def test_schemas_and_parameters_are_carried_as_they_were_written():
    schema = '{ "type":"object",  "properties":{"z":{"const":1.0},"a":{"maximum":1e400}},"additionalProperties":false }'
    body = (
        '{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":'
        + schema
        + '}}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":'
        + schema
        + "}}}"
    ).encode()
    request = openai.decode(body)
    assert request.output == OutputFormat(kind=OutputKind.JSON_SCHEMA, name="n", schema=schema, strict=True)
    written = anthropic.encode(request, model="m", max_output_tokens=1, stream=False)
    assert written.count(schema.encode()) == 2
    assert b'"output_config":{"format":{"type":"json_schema","schema":' in written
    assert anthropic.decode(written).output.schema == schema


def test_the_beta_name_of_output_formats_is_understood():
    body = (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"output_format":{"type":"json_schema","schema":{"a":1}}}'
    )
    assert anthropic.decode(body).output == OutputFormat(kind=OutputKind.JSON_SCHEMA, schema='{"a":1}', strict=True)


@pytest.mark.parametrize(
    ("model", "cap", "expected"),
    [
        ("claude-haiku-4-5", 32000, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("claude-sonnet-4-20250514", 4000, {"thinking": {"type": "enabled", "budget_tokens": 3999}}),
        ("eu.anthropic.claude-opus-4-1-20250805-v1:0", 32000, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("claude-opus-4-6", 32000, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-sonnet-5", 100, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
    ],
)
def test_an_effort_is_a_budget_for_models_that_know_no_effort(model, cap, expected):
    request = openai.decode(b'{"model":"m","messages":[{"role":"user","content":"x"}],"reasoning_effort":"medium"}')
    written = json.loads(anthropic.encode(request, model=model, max_output_tokens=cap, stream=False))
    assert {k: v for k, v in written.items() if k in {"thinking", "output_config"}} == expected


def test_counting_leaves_out_what_is_no_input():
    body = b'{"model":"m","system":"s","messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":2000}}'
    request = count.decode(body)
    assert request.max_output_tokens is None
    request = replace(request, sampling=Sampling(temperature=1.5, seed=3), user="u")
    assert json.loads(count.encode(request, model="c")) == {
        "model": "c",
        "system": [{"type": "text", "text": "s"}],
        "messages": [{"role": "user", "content": "x"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }


def test_system_turns_from_anywhere_join_the_system_prompt_and_neighbours_merge():
    turns = (
        Turn(role=Role.USER, parts=(Text(text="a"),)),
        Turn(role=Role.DEVELOPER, parts=(Text(text="be brief"),)),
        Turn(role=Role.USER, parts=(Text(text="b", cache="1h"),)),
        Turn(role=Role.ASSISTANT, parts=()),
    )
    written = json.loads(anthropic.encode(ChatRequest(model="m", turns=turns), model="m", max_output_tokens=1, stream=False))
    assert written["system"] == [{"type": "text", "text": "be brief"}]
    assert written["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        }
    ]


def test_an_errors_own_words_are_not_doubled_and_an_empty_result_is_a_result():
    result = ToolResult(call_id="c", parts=(Text(text="Error: 404"),), is_error=True)
    silent = ToolResult(call_id="d", parts=())
    request = ChatRequest(model="m", turns=(Turn(role=Role.TOOL, parts=(result, silent)),))
    written = json.loads(openai.encode(request, model="m", max_output_tokens=None, stream=False))
    assert [m["content"] for m in written["messages"]] == ["Error: 404", ""]


INVALID_OPENAI = [
    (b"", None),
    (b"{", None),
    (b"[]", None),
    (b'{"model":"m","messages":[]}x', None),
    (b'{"model":"\xff"}', None),
    (b"{}", "model"),
    (b'{"model":3,"messages":[]}', "model"),
    (b'{"model":"m"}', "messages"),
    (b'{"model":"m","messages":{}}', "messages"),
    (b'{"model":"m","messages":[3]}', "messages[0]"),
    (b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
    (b'{"model":"m","messages":[{"role":"king","content":"x"}]}', "messages[0].role"),
    (b'{"model":"m","messages":[{"role":"function","name":"f","content":"x"}]}', "messages[0].role"),
    (b'{"model":"m","messages":[{"role":"user"}]}', "messages[0].content"),
    (b'{"model":"m","messages":[{"role":"user","content":5}]}', "messages[0].content"),
    (b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}', "messages[0].content[0].text"),
    (
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":1}}]}]}',
        "messages[0].content[0].image_url.url",
    ),
    (b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "messages[0].tool_call_id"),
    (
        b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]}',
        "messages[0].tool_calls[0].function.arguments",
    ),
    (b'{"model":"m","messages":[],"tools":[{"type":"function","function":{}}]}', "tools[0].function.name"),
    (b'{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]}', "tools[0].function.parameters"),
    (b'{"model":"m","messages":[],"tool_choice":"maybe"}', "tool_choice"),
    (b'{"model":"m","messages":[],"temperature":"hot"}', "temperature"),
    (b'{"model":"m","messages":[],"max_tokens":-1}', "max_tokens"),
    (b'{"model":"m","messages":[],"n":0}', "n"),
    (b'{"model":"m","messages":[],"stop":[1]}', "stop"),
    (b'{"model":"m","messages":[],"response_format":{"type":"yaml"}}', "response_format.type"),
    (b'{"model":"m","messages":[],"x":' + b"[" * 9999 + b"]" * 9999 + b"}", None),
]


@pytest.mark.parametrize(("body", "param"), INVALID_OPENAI)
def test_an_invalid_chat_request_names_the_field(body, param):
    with pytest.raises(InvalidRequest) as caught:
        openai.decode(body)
    assert caught.value.param == param


INVALID_ANTHROPIC = [
    (b"nope", None),
    (b'{"model":"m","messages":[]}', "max_tokens"),
    (b'{"max_tokens":1,"messages":[]}', "model"),
    (b'{"model":"m","max_tokens":1}', "messages"),
    (b'{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"x"}]}', "messages[0].role"),
    (b'{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}', "messages[0].content"),
    (b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"text":"x"}]}]}', "messages[0].content[0].type"),
    (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}',
        "messages[0].content[0].tool_use_id",
    ),
    (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"{}"}]}]}',
        "messages[0].content[0].input",
    ),
    (b'{"model":"m","max_tokens":1,"messages":[],"system":4}', "system"),
    (b'{"model":"m","max_tokens":1,"messages":[],"tools":[{"name":"f"}]}', "tools[0].input_schema"),
    (b'{"model":"m","max_tokens":1,"messages":[],"tool_choice":{"type":"tool"}}', "tool_choice.name"),
    (b'{"model":"m","max_tokens":1,"messages":[],"thinking":{"type":"enabled"}}', "thinking.budget_tokens"),
    (b'{"model":"m","max_tokens":1,"messages":[],"output_config":{"format":{"type":"xml"}}}', "output_config.format.type"),
]


@pytest.mark.parametrize(("body", "param"), INVALID_ANTHROPIC)
def test_an_invalid_message_request_names_the_field(body, param):
    with pytest.raises(InvalidRequest) as caught:
        anthropic.decode(body)
    assert caught.value.param == param


names = st.sampled_from(
    [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tools",
        "function",
        "name",
        "input",
        "system",
        "id",
        "max_tokens",
        "user",
        "source",
    ]
)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["user", "text", "tool_use", "image", "m", "\x00"]),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=6),
    max_leaves=25,
)


@relaxed
@given(body=st.binary(max_size=60) | junk.map(lambda v: json.dumps(v).encode()))
@example(b'{"model":"\\ud800","messages":[]}')
@example(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\\udc00"}]}')
@example(b"[" * 100_000)
def test_garbage_raises_the_documented_error_and_no_other(body):
    for read in (openai.decode, anthropic.decode, count.decode, embeddings.decode):
        with suppress(InvalidRequest):
            read(body)
