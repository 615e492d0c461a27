# ruff: noqa: E501 - requests read best whole
"""Converse requests: what botocore's model of the service accepts, with nothing lost; what Converse has no word for is named."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import botocore
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given

from ninefold.domain.chat import (
    ChatRequest,
    Document,
    Image,
    OutputFormat,
    OutputKind,
    Reasoning,
    ReasoningEffort,
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
from ninefold.domain.errors import Unsupported
from ninefold.wire.bedrock.converse import request as converse

from . import conversations

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
WEATHER = Tool(name="weather", parameters=SCHEMA, description="Tells the weather.")
SERVICE = Path(botocore.__file__).parent / "data" / "bedrock-runtime" / "2023-09-30" / "service-2.json.gz"
MODEL_OF_SERVICE = ServiceModel(json.loads(gzip.decompress(SERVICE.read_bytes())), "bedrock-runtime")


def valid(body: bytes, model: str = MODEL) -> dict:
    """The request, which the service's own model accepts; it knows every member in it."""
    document = json.loads(body)
    shape = MODEL_OF_SERVICE.operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": model} | document, shape)
    assert not report.has_errors(), report.generate_report()
    return document


def encode(*turns: Turn, model: str = MODEL, **more) -> dict:
    asked = ChatRequest(model="fast", turns=turns or (said("hello"),), **more)
    return valid(converse.encode(asked, model=model, max_output_tokens=100), model)


def said(text: str) -> Turn:
    return Turn(role=Role.USER, parts=(Text(text=text),))


def refused(*turns: Turn, model: str = MODEL, **more) -> str | None:
    asked = ChatRequest(model="fast", turns=turns or (said("hello"),), **more)
    with pytest.raises(Unsupported) as error:
        converse.encode(asked, model=model, max_output_tokens=100)
    return error.value.param


def test_a_plain_question():
    sampling = Sampling(temperature=0.5, top_p=0.9, stop=("END",))
    system = Turn(role=Role.DEVELOPER, parts=(Text(text="Be brief."),))
    assert encode(system, said("hello"), sampling=sampling) == {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }


def test_a_whole_conversation_with_tools():
    call = ToolCall(call_id="call/1", name="weather", arguments='{"city": "Köln"}')
    long = ToolCall(call_id="x" * 80, name="weather", arguments='{"city": "Os')
    results = (
        ToolResult(call_id="call/1", parts=(Text(text="sunny"), Image(data="AAAA", media_type="image/png"))),
        ToolResult(call_id="x" * 80, parts=(Text(text="no such city"),), is_error=True),
    )
    turns = (said("?"), Turn(role=Role.ASSISTANT, parts=(Text(text="Let me see."), call, long)), Turn(role=Role.TOOL, parts=results))
    sent = encode(*turns, said("and now?"), tools=(WEATHER,), tool_choice=ToolChoice(mode=ToolMode.NAMED, name="weather"))
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "user"]
    text, first, second = sent["messages"][1]["content"]
    assert text == {"text": "Let me see."}
    assert first["toolUse"]["input"] == {"city": "Köln"}
    assert second["toolUse"]["input"] == {"INVALID_JSON": '{"city": "Os'}
    one, two, last = sent["messages"][2]["content"]
    assert one["toolResult"]["toolUseId"] == first["toolUse"]["toolUseId"] != two["toolResult"]["toolUseId"]
    assert one["toolResult"]["content"] == [{"text": "sunny"}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}]
    assert "status" not in one["toolResult"]
    assert two["toolResult"]["toolUseId"] == second["toolUse"]["toolUseId"]
    assert two["toolResult"]["status"] == "error"
    assert last == {"text": "and now?"}
    assert sent["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    spec = sent["toolConfig"]["tools"][0]["toolSpec"]
    assert spec == {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": json.loads(SCHEMA)}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(), {"auto": {}}),
        (ToolChoice(mode=ToolMode.REQUIRED, parallel=True), {"any": {}}),
    ],
)
def test_tool_choices(choice, expected):
    assert encode(tools=(WEATHER,), tool_choice=choice)["toolConfig"].get("toolChoice") == expected


def test_no_call_is_possible_where_none_is_wanted():
    assert "toolConfig" not in encode(tools=(WEATHER,), tool_choice=ToolChoice(mode=ToolMode.NONE))
    called = Turn(role=Role.ASSISTANT, parts=(ToolCall(call_id="a", name="weather", arguments="{}"),))
    result = Turn(role=Role.TOOL, parts=(ToolResult(call_id="a", parts=(Text(text="ok"),)),))
    assert refused(said("?"), called, result, tools=(WEATHER,), tool_choice=ToolChoice(mode=ToolMode.NONE)) == "tool_choice"


def test_documents_have_names_that_bedrock_takes():
    parts = (
        Document(data="JVBERi0xLjc=", title="Q3: results_(final).pdf"),
        Document(text="a,b", media_type="text/csv"),
        Document(data="YSxi", media_type="text/csv", cite=True, context="From the bank."),
    )
    blocks = [b["document"] for b in encode(Turn(role=Role.USER, parts=(Text(text="sum up"), *parts)))["messages"][0]["content"][1:]]
    assert [(b["name"], b["format"]) for b in blocks] == [("Q3- results-(final)-pdf", "pdf"), ("document", "txt"), ("document (2)", "csv")]
    assert blocks[1]["source"] == {"bytes": "YSxi"}
    assert blocks[2]["citations"] == {"enabled": True}
    assert blocks[2]["context"] == "From the bank."


def test_marks_become_cache_points_where_the_family_keeps_prompts():
    turns = (
        Turn(role=Role.SYSTEM, parts=(Text(text="Rules.", cache="1h"),)),
        Turn(role=Role.USER, parts=(Text(text="long", cache=""), Text(text="short"))),
    )
    tool = Tool(name="weather", parameters="{}", cache="5m")
    sent = encode(*turns, tools=(tool,))
    assert sent["system"] == [{"text": "Rules."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert sent["messages"][0]["content"] == [{"text": "long"}, {"cachePoint": {"type": "default"}}, {"text": "short"}]
    assert sent["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}
    assert sent["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == {"type": "object", "properties": {}}
    assert encode(*turns, model="amazon.nova-pro-v1:0")["system"][1] == {"cachePoint": {"type": "default"}}
    assert len(encode(*turns, model="meta.llama3-70b-instruct-v1:0")["system"]) == 1


def test_reasoning_goes_back_as_it_came():
    thoughts = (Reasoning(text="hm", signature="c2ln"), Reasoning(redacted="eA=="), Text(text="Yes."))
    sent = encode(said("?"), Turn(role=Role.ASSISTANT, parts=thoughts), said("why?"))
    assert sent["messages"][1]["content"][:2] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "eA=="}},
    ]
    unsigned = (said("?"), Turn(role=Role.ASSISTANT, parts=(Reasoning(text="hm"), Text(text="Yes."))), said("why?"))
    assert refused(*unsigned) == "messages[1].reasoning_content"
    kept = encode(*unsigned, model="openai.gpt-oss-120b-1:0")["messages"][1]["content"][0]
    assert kept == {"reasoningContent": {"reasoningText": {"text": "hm"}}}


def test_how_much_to_think_is_said_in_each_familys_words():
    budget = ReasoningEffort(budget_tokens=2000)
    assert encode(reasoning=budget)["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    adaptive = encode(reasoning=ReasoningEffort(level="high"), model="global.anthropic.claude-opus-4-6-v1")
    assert adaptive["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}
    assert adaptive["outputConfig"] == {"effort": "high"}
    oss = encode(reasoning=ReasoningEffort(level="low"), model="openai.gpt-oss-20b-1:0")
    assert oss["additionalModelRequestFields"] == {"reasoning_effort": "low"}
    nova = encode(reasoning=ReasoningEffort(level="low"), model="amazon.nova-2-lite-v1:0")
    assert nova["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "low"
    assert "additionalModelRequestFields" not in encode(reasoning=ReasoningEffort(disabled=True), model="mistral.mistral-large-2402-v1:0")
    assert refused(reasoning=ReasoningEffort(level="low"), model="mistral.mistral-large-2402-v1:0") == "reasoning_effort"
    assert refused(reasoning=ReasoningEffort(disabled=True), model="openai.gpt-oss-20b-1:0") == "reasoning_effort"


def test_top_k():
    assert encode(sampling=Sampling(top_k=5))["additionalModelRequestFields"] == {"top_k": 5}
    nova = encode(sampling=Sampling(top_k=5), model="us.amazon.nova-lite-v1:0")
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}
    assert refused(sampling=Sampling(top_k=5), model="meta.llama3-70b-instruct-v1:0") == "top_k"


def test_a_schema_is_a_string():
    output = OutputFormat(kind=OutputKind.JSON_SCHEMA, name="town", schema=SCHEMA, description="A town.", strict=True)
    definition = {"schema": SCHEMA, "name": "town", "description": "A town."}
    assert encode(output=output)["outputConfig"] == {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
    # Who does not ask that it be kept to gets more than that.
    assert encode(output=replace(output, strict=False)) == encode(output=output)


def test_who_asks_and_which_tier():
    sent = encode(
        user="user-17", extra=(("service_tier", '"flex"'), ("guardrailConfig", '{"guardrailIdentifier":"g1","guardrailVersion":"1"}'))
    )
    assert sent["requestMetadata"] == {"user": "user-17"}
    assert sent["serviceTier"] == {"type": "flex"}
    assert sent["guardrailConfig"] == {"guardrailIdentifier": "g1", "guardrailVersion": "1"}
    assert encode(extra=(("safety_identifier", '"abc"'), ("service_tier", '"auto"')))["requestMetadata"] == {"user": "abc"}


PICTURE = Turn(role=Role.USER, parts=(Text(text="?"), Image(url="https://example.org/x.png")))


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"choices": 2}, "n"),
        ({"sampling": Sampling(seed=0)}, "seed"),
        ({"sampling": Sampling(temperature=1.5)}, "temperature"),
        ({"sampling": Sampling(frequency_penalty=0.5)}, "frequency_penalty"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"output": OutputFormat(kind=OutputKind.JSON_OBJECT)}, "response_format.type"),
        ({"tools": (WEATHER,), "tool_choice": ToolChoice(parallel=False)}, "parallel_tool_calls"),
        ({"tools": (Tool(name="a.b", parameters="{}"),)}, "tools[0].name"),
        ({"user": "né"}, "user"),
        ({"extra": (("logit_bias", '{"1":2}'),)}, "logit_bias"),
        ({"extra": (("service_tier", '"scale"'),)}, "service_tier"),
        ({"turns": (PICTURE,)}, "messages[0].content[1].image_url.url"),
        ({"turns": (Turn(role=Role.USER, parts=(Image(data="AA", media_type="image/tiff"),)),)}, "messages[0].content[0].image_url.url"),
        ({"turns": (Turn(role=Role.USER, parts=(Image(data="AA", media_type="image/png", detail="low"),)),)}, "messages[0].content[0].image_url.detail"),
        ({"turns": (Turn(role=Role.USER, parts=(Document(url="https://example.org/x.pdf"),)),)}, "messages[0].content[0].file"),
        ({"turns": (Turn(role=Role.USER, parts=(Document(file_id="file_1"),)),)}, "messages[0].content[0].file.file_id"),
        ({"turns": (Turn(role=Role.USER, parts=(Document(data="AA", media_type="image/tiff"),)),)}, "messages[0].content[0].file.file_data"),
        ({"turns": (Turn(role=Role.USER, parts=(Text(text="x"),), name="bob"),)}, "messages[0].name"),
        ({"turns": (Turn(role=Role.SYSTEM, parts=(Text(text="x"),)),)}, "messages"),
        ({"turns": (Turn(role=Role.SYSTEM, parts=(Image(data="AA", media_type="image/png"),)), said("x"))}, "messages[0].content[0]"),
    ],
)  # fmt: skip
def test_what_converse_has_no_word_for_is_named(more, param):
    turns = more.pop("turns", ())
    assert refused(*turns, **more) == param


def encoded(asked: ChatRequest) -> bytes | str | None:
    """The request, or the name of what cannot be expressed."""
    try:
        return converse.encode(asked, model=MODEL, max_output_tokens=4000)
    except Unsupported as error:
        return error.param


@given(conversations.requests())
def test_whatever_both_other_vendors_express_is_valid_or_named(asked):
    body = encoded(asked)
    if not isinstance(body, bytes):
        assert body
        return
    sent = valid(body)
    calls = [part for turn in asked.turns for part in turn.parts if isinstance(part, ToolCall)]
    blocks = [block["toolUse"] for message in sent["messages"] for block in message["content"] if "toolUse" in block]
    assert [(b["name"], b["input"]) for b in blocks] == [(c.name, json.loads(c.arguments)) for c in calls]
