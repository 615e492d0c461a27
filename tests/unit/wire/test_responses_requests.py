# ruff: noqa: E501 - requests read best whole
"""Responses requests as conversations."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.call import FILES, IMAGES, JSON_SCHEMA, LOGPROBS, REASONING, TOOLS
from ninefold.domain.chat import (
    Document,
    Image,
    OutputFormat,
    OutputKind,
    Reasoning,
    ReasoningEffort,
    Refusal,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    Turn,
)
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.openai.chat import request as chat
from ninefold.wire.openai.responses import envelope
from ninefold.wire.openai.responses.request import decode


def body(**members) -> bytes:
    return json.dumps({"model": "m", "input": "x"} | members).encode()


def turns(*items):
    return decode(body(input=list(items))).turns


def test_a_text_is_what_the_user_says_after_the_instructions():
    assert decode(body(instructions="Be brief.")).turns == (
        Turn(role=Role.SYSTEM, parts=(Text(text="Be brief."),)),
        Turn(role=Role.USER, parts=(Text(text="x"),)),
    )


def test_what_one_answer_consists_of_is_one_turn():
    found = turns(
        {"role": "developer", "content": "rules"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "nf1.signature.abc"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "nf1.redacted.xyz"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "so", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}, {"type": "input_image", "image_url": "https://x/y.png"}]},
    )  # fmt: skip
    said = (
        Reasoning(text="hm", signature="abc"),
        Reasoning(redacted="xyz"),
        Text(text="so"),
        Refusal(text="no"),
        ToolCall(call_id="c1", name="f", arguments='{"a": 1}'),
        ToolCall(call_id="c2", name="g", arguments=""),
    )
    two = (Text(text="two"), Image(url="https://x/y.png"))
    assert found == (
        Turn(role=Role.DEVELOPER, parts=(Text(text="rules"),)),
        Turn(role=Role.USER, parts=(Text(text="hi"),)),
        Turn(role=Role.ASSISTANT, parts=said),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="c1", parts=(Text(text="one"),)),)),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="c2", parts=two),)),
    )


def test_pictures_and_files_keep_their_kind():
    (found,) = turns(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_image", "image_url": "https://x/y.png", "detail": "high"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
                {"type": "input_file", "file_url": "https://x/y.pdf", "detail": "auto"},
                {"type": "input_file", "file_id": "file-1"},
                {"type": "input_text", "text": "end", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            ],
        }
    )
    assert found.parts == (
        Image(data="AAAA", media_type="image/png"),
        Image(url="https://x/y.png", detail="high"),
        Document(data="BBBB", media_type="application/pdf", title="a.pdf"),
        Document(url="https://x/y.pdf"),
        Document(file_id="file-1"),
        Text(text="end", cache="30m"),
    )


def test_settings_have_their_places():
    schema = {"type": "object"}
    found = decode(
        body(
            tools=[{"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": True}, {"type": "function", "name": "g", "parameters": None}],
            tool_choice={"type": "function", "name": "f"},
            parallel_tool_calls=False,
            text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "s"}, "verbosity": "medium"},
            reasoning={"effort": "high", "summary": "auto"},
            max_output_tokens=7,
            temperature=0.5,
            top_p=0.25,
            user="u",
            stream=True,
            metadata={"a": "b"},
            store=False,
            truncation="disabled",
            include=["reasoning.encrypted_content"],
            previous_response_id="resp_nf_1",
            stream_options={"include_obfuscation": False},
        )
    )  # fmt: skip
    assert found.tools == (
        Tool(name="f", description="d", parameters='{"type": "object"}', strict=True),
        Tool(name="g", parameters='{"type":"object","properties":{}}'),
    )
    assert found.tool_choice == ToolChoice(mode=ToolMode.NAMED, name="f", parallel=False)
    assert found.output == OutputFormat(kind=OutputKind.JSON_SCHEMA, name="n", schema='{"type": "object"}', strict=True, description="s")
    assert found.reasoning == ReasoningEffort(level="high")
    assert (found.max_output_tokens, found.user, found.stream) == (7, "u", True)
    assert found.sampling == Sampling(temperature=0.5, top_p=0.25)
    assert found.extra == ()
    assert decode(body(reasoning={"effort": "none"})).reasoning == ReasoningEffort(disabled=True)
    assert decode(body(tool_choice="required")).tool_choice == ToolChoice(mode=ToolMode.REQUIRED)
    assert decode(body(text={"format": {"type": "json_object"}})).output == OutputFormat(kind=OutputKind.JSON_OBJECT)


def test_how_wordy_an_answer_shall_be_is_a_member_of_its_own_in_chat():
    request = decode(body(text={"verbosity": "low"}))
    assert json.loads(chat.encode(request, model="gpt", max_output_tokens=9, stream=False))["verbosity"] == "low"
    with pytest.raises(Unsupported) as refused:
        anthropic.encode(request, model="claude-opus-4-6", max_output_tokens=9, stream=False)
    assert refused.value.param == "text.verbosity"


def user(part) -> dict:
    return {"input": [{"role": "user", "content": [part]}]}


REFUSED = [
    ({"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}, "tools[1].type"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
    ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools[0].defer_loading"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
    ({"truncation": "auto"}, "truncation"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}, "include[1]"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"max_tool_calls": 3}, "max_tool_calls"),
    ({"reasoning": {"effort": "low", "mode": "pro"}}, "reasoning.mode"),
    ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "x": 1}}}, "text.format.x"),
    ({"instructions": [{"role": "user", "content": "x"}]}, "instructions"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ({"input": [{"id": "msg_1"}]}, "input[0]"),
    ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "input[0]"),
    ({"input": [{"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAA"}]}, "input[0].encrypted_content"),
    ({"input": [{"role": "assistant", "content": "x", "phase": "commentary"}]}, "input[0].phase"),
    (user({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}), "input[0].content[0]"),
    (user({"type": "input_image", "file_id": "file-1"}), "input[0].content[0]"),
    (user({"type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}]}), "input[0].content[0].annotations"),
    ({"brand_new": 1}, "brand_new"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "param"), REFUSED)
def test_what_no_other_vendor_can_express_is_refused_by_its_name(members, param):
    for encode, more in ((chat.encode, {}), (anthropic.encode, {})):
        with pytest.raises(Unsupported) as refused:
            encode(decode(body(**members)), model="claude-opus-4-6", max_output_tokens=100, stream=False, **more)
        assert refused.value.param == param


WRONG = [
    ({"input": [{"role": "narrator", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "refusal", "refusal": "x"}]}]}, "input[0].output[0]"),
    ({"input": 5}, "input"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"temperature": "hot"}, "temperature"),
]


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_what_is_wrong_is_named(members, param):
    with pytest.raises(InvalidRequest) as refused:
        decode(body(**members))
    assert refused.value.param == param


def test_admission_knows_what_a_request_needs():
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}, {"type": "input_file", "file_id": "f"}]}
    text = {"format": {"type": "json_schema", "name": "n", "schema": {}}}
    call = envelope.read(
        body(input=[image], tools=[{"type": "function", "name": "f"}], text=text, reasoning={"effort": "low"}, top_logprobs=1, stream=True)
    )
    assert call.needs == {TOOLS, IMAGES, FILES, JSON_SCHEMA, REASONING, LOGPROBS}
    assert call.has_tools
    assert call.stream
    assert 250_000 < call.input_tokens_bound < 251_000
    plain = envelope.read(body(metadata={"product": "p", "task_class": "t"}, max_output_tokens=5))
    assert (plain.needs, plain.max_output_tokens, plain.attribution, plain.task_class) == (frozenset(), 5, (("product", "p"),), "t")


@pytest.mark.parametrize(
    "members", [{"previous_response_id": "resp_1"}, {"conversation": "c"}, {"tools": [{"type": "web_search"}]}, {"input": [{"type": "item_reference", "id": "x"}]}]
)  # fmt: skip
def test_what_a_vendor_adds_from_its_own_side_is_bounded_by_a_whole_context(members):
    assert envelope.read(body(**members)).input_tokens_bound > 1_000_000
    assert envelope.read(body(previous_response_id="resp_nf_1")).input_tokens_bound < 1_000


@pytest.mark.parametrize(
    ("members", "param"),
    [({"input": None}, "input"), ({"model": ""}, "model"), ({"background": True}, "background"), ({"max_output_tokens": 0}, "max_output_tokens"), ({"tools": "x"}, "tools")],
)  # fmt: skip
def test_admission_refuses_what_cannot_be_asked(members, param):
    with pytest.raises(InvalidRequest) as refused:
        envelope.read(body(**members))
    assert refused.value.param == param
