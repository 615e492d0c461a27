"""What a target cannot express is refused by the caller's own name for it; what asks for nothing is not."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.errors import Unsupported
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.openai.chat import request as openai

USER = {"role": "user", "content": "x"}


def to_anthropic(**members) -> dict:
    body = json.dumps({"model": "m", "messages": [USER], **members}).encode()
    return json.loads(anthropic.encode(openai.decode(body), model="claude-opus-4-6", max_output_tokens=100, stream=False))


def to_openai(**members) -> dict:
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [USER], **members}).encode()
    return json.loads(openai.encode(anthropic.decode(body), model="gpt", max_output_tokens=5, stream=False))


def user(*parts) -> dict:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, *parts]}]}


TO_ANTHROPIC = [
    ({"n": 2}, "n"),
    ({"seed": 1}, "seed"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"presence_penalty": -1}, "presence_penalty"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"temperature": 1.2}, "temperature"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"store": True}, "store"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"modalities": ["text", "audio"], "audio": {"voice": "a"}}, "modalities"),
    ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"verbosity": "low"}, "verbosity"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"guided_json": {"type": "object"}}, "guided_json"),
    ({"reasoning_effort": "ultra"}, "reasoning_effort"),
    ({"response_format": {"type": "json_object"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "response_format.json_schema.schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": "e"}, "description": "d"}}},
        "response_format.json_schema.description",
    ),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "x": 1}}}, "response_format.json_schema.x"),
    ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
    ({"tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}, "tools[0].function.x"),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
    ({"messages": [{"role": "user", "name": "ann", "content": "x"}]}, "messages[0].name"),
    ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, "messages[0].mood"),
    (user({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}), "messages[0].content[1]"),
    (user({"type": "hologram"}), "messages[0].content[1]"),
    (user({"type": "text", "text": "y", "tone": 1}), "messages[0].content[1].tone"),
    (user({"type": "image_url", "image_url": {"url": "https://x/y", "detail": "low"}}), "messages[0].content[1].image_url.detail"),
    (user({"type": "image_url", "image_url": {"url": "gopher://x/y"}}), "messages[0].content[1].image_url.url"),
    (user({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}), "messages[0].content[1].image_url.url"),
    (user({"type": "file", "file": {"file_id": "file-1"}}), "messages[0].content[1].file.file_id"),
    (user({"type": "file", "file": {"filename": "a"}}), "messages[0].content[1].file"),
    (user({"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}}), "messages[0].content[1].file.file_data"),
    ({"messages": [USER, {"role": "assistant", "content": "x", "reasoning_content": "hm"}]}, "messages[1].reasoning_content"),
    ({"messages": [USER, {"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "messages[1].audio"),
    ({"messages": [USER, {"role": "assistant", "content": "x", "function_call": {"name": "f"}}]}, "messages[1].function_call"),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "c", "input": ""}}]}]},
        "messages[1].tool_calls[0]",
    ),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages"),
]


@pytest.mark.parametrize(("members", "param"), TO_ANTHROPIC)
def test_anthropic_refuses_what_only_openai_has(members, param):
    with pytest.raises(Unsupported) as caught:
        to_anthropic(**members)
    assert caught.value.param == param


TO_OPENAI = [
    ({"top_k": 5}, "top_k"),
    ({"container": "c"}, "container"),
    ({"inference_geo": "eu"}, "inference_geo"),
    ({"service_tier": "standard_only"}, "service_tier"),
    ({"speed": "fast"}, "speed"),
    ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
    ({"thinking": {"type": "between_tools"}}, "thinking"),
    ({"thinking": {"type": "adaptive", "display": "omitted"}}, "thinking.display"),
    ({"output_config": {"task_budget": 1}}, "output_config.task_budget"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
    ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "tools[0].defer_loading"),
    ({"tools": [{"name": "f", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}]}, "tools[0].allowed_callers"),
    (user({"type": "search_result", "title": "x"}), "messages[0].content[1]"),
    (user({"type": "image", "source": {"type": "file", "file_id": "file_1"}}), "messages[0].content[1]"),
    (
        user({"type": "image", "source": {"type": "url", "url": "u"}, "transformations": {"oversized_image": "error"}}),
        "messages[0].content[1].transformations",
    ),
    (user({"type": "document", "source": {"type": "content", "content": []}}), "messages[0].content[1]"),
    (user({"type": "document", "source": {"type": "url", "url": "https://x"}}), "messages[0].content[1].source.url"),
    (user({"type": "document", "source": {"type": "file", "file_id": "file_1"}}), "messages[0].content[1].source.file_id"),
    (user({"type": "document", "source": {"type": "text", "data": "d"}, "context": "c"}), "messages[0].content[1].context"),
    (
        user({"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": True}}),
        "messages[0].content[1].citations",
    ),
    (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}]},
        "messages[1].content[0]",
    ),
    (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]}]},
        "messages[1].content[0].citations",
    ),
    (
        {
            "system": "s",
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": "ok"},
                        {"type": "document", "source": {"type": "url", "url": "https://x"}},
                    ],
                },
            ],
        },
        "messages[2].content[1].source.url",
    ),
    (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "a",
                            "content": [{"type": "text", "text": "x"}, {"type": "image", "source": {"type": "url", "url": "u"}}],
                        }
                    ],
                },
            ]
        },
        "messages[2].content[0].content[1]",
    ),
]


@pytest.mark.parametrize(("members", "param"), TO_OPENAI)
def test_openai_refuses_what_only_anthropic_has(members, param):
    with pytest.raises(Unsupported) as caught:
        to_openai(**members)
    assert caught.value.param == param


PLAIN_TO_ANTHROPIC = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [USER]}
NOTHING_TO_ANTHROPIC = [
    {"n": 1, "seed": None, "frequency_penalty": 0, "presence_penalty": 0.0, "logprobs": False, "top_logprobs": None, "stream": False},
    {"store": False, "logit_bias": {}, "modalities": ["text"], "verbosity": "medium", "parallel_tool_calls": True, "tool_choice": "auto"},
    {"metadata": {"team": "a"}, "stream_options": {"include_usage": True}, "tools": [], "response_format": {"type": "text"}},
    {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "implicit"}},
    *({"service_tier": tier} for tier in ("auto", "default", None)),
]


@pytest.mark.parametrize("members", NOTHING_TO_ANTHROPIC)
def test_anthropic_takes_what_asks_for_nothing(members):
    assert to_anthropic(**members) == PLAIN_TO_ANTHROPIC


def test_an_echoed_answer_is_taken_as_history():
    echoed = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "reasoning_content": None,
        "tool_calls": [{"id": "a", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    written = to_anthropic(messages=[USER, echoed, {"role": "tool", "tool_call_id": "a", "content": "x"}])
    assert written["messages"][1]["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]


PLAIN_TO_OPENAI = {"model": "gpt", "max_completion_tokens": 5, "messages": [USER]}
NOTHING_TO_OPENAI = [
    {"cache_control": {"type": "ephemeral"}, "service_tier": "auto", "speed": "standard", "mcp_servers": [], "container": None},
    {
        "system": "",
        "metadata": {"user_id": None},
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "adaptive", "display": "summarized"},
    },
    {"system": [], "stop_sequences": [], "stream": False, "tools": []},
]


@pytest.mark.parametrize("members", NOTHING_TO_OPENAI)
def test_openai_takes_what_asks_for_nothing(members):
    assert to_openai(**members) == PLAIN_TO_OPENAI


def test_pictures_and_files_cross_over():
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0x"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aMOp", "filename": "n.txt"}},
    ]
    blocks = to_anthropic(**user(*parts))["messages"][0]["content"][1:]
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}
    assert blocks == [
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": pdf},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "h\u00e9"}, "title": "n.txt"},
    ]
    back = to_openai(**user(*blocks))["messages"][0]["content"][1:]
    assert back[2] == parts[2]
    assert back[4] == parts[4]
    assert back[3]["file"] == {"file_data": "data:application/pdf;base64,JVBERi0x", "filename": "document.pdf"}


def test_the_newer_name_of_a_user_is_a_user():
    assert to_anthropic(safety_identifier="s")["metadata"] == {"user_id": "s"}
    with pytest.raises(Unsupported) as caught:
        to_anthropic(safety_identifier="s", user="u")
    assert caught.value.param == "safety_identifier"
