"""Requests to generate content: what is read, what is written, and what is refused by the name its caller knows."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.call import Operation, Wire
from ninefold.domain.chat import (
    ChatRequest,
    Document,
    Image,
    OutputKind,
    ReasoningEffort,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolMode,
    Turn,
)
from ninefold.domain.errors import InvalidRequest, NotFound, Unsupported
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.gemini.count_tokens import request as count
from ninefold.wire.gemini.generate import envelope, fields, passthrough
from ninefold.wire.gemini.generate import request as gemini
from ninefold.wire.gemini.generate.schema import is_closed_text, to_json_schema
from ninefold.wire.openai.chat import request as openai

USER = {"role": "user", "parts": [{"text": "hi"}]}
TURN = Turn(role=Role.USER, parts=(Text(text="hi"),))


def read(**members) -> ChatRequest:
    return gemini.decode(json.dumps({"contents": [USER]} | members).encode(), "m", stream=False)


def written(request: ChatRequest, *, model: str = "gemini-2.5-flash", wire: Wire = Wire.OPENAI) -> dict:
    return json.loads(gemini.encode(request, model=model, max_output_tokens=9, wire=wire))


def from_openai(model: str = "gemini-2.5-flash", **members) -> dict:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | members
    return written(openai.decode(json.dumps(body).encode()), model=model)


def from_anthropic(model: str = "gemini-2.5-flash", **members) -> dict:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]} | members
    return written(anthropic.decode(json.dumps(body).encode()), model=model, wire=Wire.ANTHROPIC)


def test_everything_that_has_a_word_is_read_in_either_spelling():
    camel = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.25, "topK": 40.0, "stopSequences": ["x"], "seed": 3,
            "presencePenalty": 0.1, "frequencyPenalty": 0.2,
            "maxOutputTokens": 77, "candidateCount": 2, "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
        },
    }  # fmt: skip
    snake = {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"function_declarations": [{"name": "f", "description": "d", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        "generation_config": {
            "temperature": 0.5, "top_p": 0.25, "top_k": 40, "stop_sequences": ["x"], "seed": 3,
            "presence_penalty": 0.1, "frequency_penalty": 0.2,
            "max_output_tokens": 77, "candidate_count": 2, "response_mime_type": "application/json",
            "response_json_schema": {"type": "object"},
            "thinking_config": {"include_thoughts": True, "thinking_level": "LOW"},
        },
    }  # fmt: skip
    request = read(**camel)
    assert request == read(**snake)
    assert request.turns[0] == Turn(role=Role.SYSTEM, parts=(Text(text="Be brief."),))
    assert request.tools == (Tool(name="f", description="d", parameters='{"type": "object"}'),)
    assert request.tool_choice == ToolChoice(mode=ToolMode.NAMED, name="f")
    assert request.sampling == Sampling(
        temperature=0.5, top_p=0.25, top_k=40, stop=("x",), seed=3, presence_penalty=0.1, frequency_penalty=0.2
    )
    assert (request.max_output_tokens, request.choices) == (77, 2)
    assert (request.output.kind, request.output.schema) == (OutputKind.JSON_SCHEMA, '{"type": "object"}')
    assert request.reasoning == ReasoningEffort(level="low")
    assert request.extra == ()


def test_parts_are_read_and_written():
    parts = [
        {"text": "look"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}},
        {"fileData": {"fileUri": "https://x/y.png", "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://x/y.pdf", "mimeType": "application/pdf"}},
    ]
    request = read(contents=[{"role": "user", "parts": parts}])
    assert request.turns[0].parts == (
        Text(text="look"),
        Image(data="AAAA", media_type="image/png"),
        Document(data="JVBERi0x", media_type="application/pdf"),
        Image(url="https://x/y.png", media_type="image/png"),
        Document(url="https://x/y.pdf", media_type="application/pdf"),
    )
    assert written(request)["contents"] == [{"role": "user", "parts": parts}]


EXTRA = [
    ({"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}]}, "safetySettings[0]"),
    ({"cachedContent": "cachedContents/1"}, "cachedContent"),
    ({"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
    ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "generationConfig.responseModalities"),
    ({"generationConfig": {"responseLogprobs": True}}, "generationConfig.responseLogprobs"),
    ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType"),
    ({"contents": [{"parts": [{"text": "x"}, {"executableCode": {"code": "1"}}]}]}, "contents[0].parts[1]"),
    ({"contents": [{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "AA"}}, {"text": "x"}]}]}, "contents[0].parts[0]"),
    (
        {"contents": [{"parts": [{"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a"}}, {"text": "x"}]}]},
        "contents[0].parts[0]",
    ),
    (
        {
            "tools": [{"functionDeclarations": [{"name": n} for n in "fgh"]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}},
        },
        "toolConfig.functionCallingConfig.allowedFunctionNames",
    ),
    ({"somethingNew": 1}, "somethingNew"),
]


@pytest.mark.parametrize(("members", "param"), EXTRA)
def test_what_only_gemini_has_is_refused_elsewhere_by_name(members, param):
    request = read(**members)
    for encode in (
        lambda: openai.encode(request, model="gpt", max_output_tokens=9, stream=False),
        lambda: anthropic.encode(request, model="claude-opus-4-6", max_output_tokens=9, stream=False),
    ):
        with pytest.raises(Unsupported) as caught:
            encode()
        assert caught.value.param == param


@pytest.mark.parametrize(
    "members",
    [
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        {"generationConfig": {"responseModalities": ["TEXT"], "candidateCount": 1, "thinkingConfig": {"includeThoughts": False}}},
        {"generationConfig": None, "tools": [], "labels": {}},
        {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
    ],
)
def test_what_asks_for_nothing_is_taken_elsewhere(members):
    sent = json.loads(openai.encode(read(**members), model="gpt", max_output_tokens=9, stream=False))
    assert sent == {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9}


REFUSED_OPENAI = [
    ({"logprobs": True}, "logprobs"),
    ({"logit_bias": {"1": 1}}, "logit_bias"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"reasoning_effort": "ultra"}, "reasoning_effort"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False}, "parallel_tool_calls"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"messages": [{"role": "user", "name": "bob", "content": "x"}]}, "messages[0].name"),
    (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "input_audio"}]},
            ]
        },
        "messages[1].content[1]",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": "file-1"}}]}]},
        "messages[0].content[1].file.file_id",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}}]}]},
        "messages[0].content[0].image_url.detail",
    ),
]
REFUSED_ANTHROPIC = [
    ({"container": "c"}, "container"),
    ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
    (
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        "tool_choice.disable_parallel_tool_use",
    ),
    (
        {
            "system": "s",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": True}}],
                }
            ],
        },
        "messages[0].content[0].citations",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "d"}, {"type": "text", "text": "x"}]},
                {"role": "user", "content": "y"},
            ]
        },
        "messages[1].content[0]",
    ),
]


@pytest.mark.parametrize(("members", "param"), REFUSED_OPENAI)
def test_gemini_refuses_what_only_openai_has(members, param):
    with pytest.raises(Unsupported) as caught:
        from_openai(**members)
    assert caught.value.param == param


@pytest.mark.parametrize(("members", "param"), REFUSED_ANTHROPIC)
def test_gemini_refuses_what_only_anthropic_has(members, param):
    with pytest.raises(Unsupported) as caught:
        from_anthropic(**members)
    assert caught.value.param == param


def test_a_model_that_always_reasons_cannot_be_kept_from_it():
    assert from_openai(reasoning_effort="none")["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 0}
    with pytest.raises(Unsupported) as caught:
        from_anthropic("gemini-3-pro", thinking={"type": "disabled"})
    assert caught.value.param == "thinking"


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-pro", {"reasoning_effort": "medium"}, {"includeThoughts": True, "thinkingBudget": 8192}),
        ("gemini-3-pro", {"reasoning_effort": "medium"}, {"includeThoughts": True, "thinkingLevel": "medium"}),
        ("gemini-3-pro", {"reasoning_effort": "xhigh"}, {"includeThoughts": True, "thinkingLevel": "high"}),
    ],
)
def test_effort_is_a_level_or_a_number_of_tokens(model, effort, expected):
    assert from_openai(model, **effort)["generationConfig"]["thinkingConfig"] == expected
    budget = from_anthropic(model, thinking={"type": "enabled", "budget_tokens": 2000})
    assert budget["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 2000}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_choices_among_functions(choice, expected):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]
    sent = from_openai(tools=tools, tool_choice=choice)
    assert sent["toolConfig"] == {"functionCallingConfig": expected}
    assert sent["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": tools[0]["function"]["parameters"]}]}]
    strict = from_openai(tools=[{"type": "function", "function": tools[0]["function"] | {"strict": True}}])
    assert strict["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_hints_and_labels_are_left_out():
    sent = from_openai(user="u", prompt_cache_key="k", service_tier="auto", metadata={"a": "b"})
    assert sent == {"contents": [USER], "generationConfig": {"maxOutputTokens": 9}}


def test_googles_schemas_become_json_schemas():
    own = {
        "type": "OBJECT",
        "propertyOrdering": ["type", "n"],
        "required": ["n"],
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["A", "B"]},
            "n": {"type": "ARRAY", "minItems": "1", "items": {"anyOf": [{"type": "INTEGER"}, {"type": "NUMBER", "example": 3}]}},
        },
    }
    assert json.loads(to_json_schema(json.dumps(own), "x")) == {
        "type": "object",
        "required": ["n"],
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", "B", None]},
            "n": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "integer"}, {"type": "number", "examples": [3]}]}},
        },
    }
    deep = '{"items":' * 100 + "{}" + "}" * 100
    with pytest.raises(InvalidRequest):
        to_json_schema(deep, "x")


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"type": "string"}, True),
    ],
)
def test_only_closed_schemas_are_asked_for_strictly_elsewhere(schema, closed):
    assert is_closed_text(json.dumps(schema)) is closed
    request = read(generationConfig={"responseMimeType": "application/json", "responseJsonSchema": schema})
    assert request.output.strict is (True if closed else None)


PATH = "/v1beta/models/team%2Ffast:"


def test_the_envelope_is_read_from_path_query_and_body():
    body = json.dumps(
        {"contents": [USER], "tools": [{}], "generation_config": {"max_output_tokens": 5, "candidate_count": 2, "response_schema": {}}}
    )
    call = envelope.read(body.encode(), PATH + "streamGenerateContent", "alt=sse")
    assert (call.model, call.operation, call.wire, call.stream) == ("team/fast", Operation.CHAT, Wire.GEMINI, True)
    assert (call.max_output_tokens, call.choices, call.has_tools) == (5, 2, True)
    assert call.needs == {"tools", "json_schema"}
    assert call.path.endswith("?alt=sse")
    picture = json.dumps({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}]}).encode()
    seen = envelope.read(picture, PATH + "generateContent", "")
    assert seen.needs == {"images"}
    assert seen.input_tokens_bound > len(picture) + envelope.IMAGE_TOKENS
    counted = envelope.read(json.dumps({"generateContentRequest": {"contents": [USER]}}).encode(), PATH + "countTokens", "")
    assert counted.operation is Operation.COUNT_TOKENS


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [USER], "generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"contents": [USER], "generationConfig": {"maxOutputTokens": 2**40}}, "generationConfig.maxOutputTokens"),
        ({"contents": [USER], "generationConfig": {"candidateCount": 0}}, "generationConfig.candidateCount"),
        ({"contents": [USER], "generationConfig": {"candidateCount": 1.5}}, "generationConfig.candidateCount"),
        ({"contents": [USER], "generationConfig": []}, "generationConfig"),
    ],
)
def test_a_bad_envelope_names_its_field(body, param):
    with pytest.raises(InvalidRequest) as caught:
        envelope.read(json.dumps(body).encode(), PATH + "generateContent", "")
    assert caught.value.param == param


@pytest.mark.parametrize("path", ["/v1beta/models/x", "/v1beta/models/:generateContent", "/v1beta/models/x:fineTune"])
def test_other_methods_are_not_found(path):
    with pytest.raises(NotFound):
        envelope.read(b'{"contents":[{}]}', path, "")


@pytest.mark.parametrize(
    ("contents", "param"),
    [
        ([{"role": "robot", "parts": [{"text": "x"}]}], "contents[0].role"),
        ([{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}], "contents[0].parts[0].functionResponse"),
        ([{"parts": [{"functionCall": {"args": {}}}]}], "contents[0].parts[0].functionCall.name"),
        ([{"parts": [{"inlineData": {"data": "AA"}}]}], "contents[0].parts[0].inlineData.mimeType"),
        ([{"parts": "x"}], "contents[0].parts"),
    ],
)
def test_bad_contents_name_their_field(contents, param):
    with pytest.raises(InvalidRequest) as caught:
        read(contents=contents)
    assert caught.value.param == param


def test_the_callers_own_request_gets_a_cap_and_nothing_else():
    body = b'{"contents":[{"parts":[{"text":"\\u00fc", "novelty":1.50}]}],"generation_config":{"temperature":0.50},"model":"models/x"}'
    call = envelope.read(body, PATH + "generateContent", "")
    sent = passthrough.request(call, 700)
    assert sent == (
        b'{"generationConfig":{"temperature":0.50,"maxOutputTokens":700},"contents":[{"parts":[{"text":"\\u00fc", "novelty":1.50}]}]}'
    )
    doubled = b'{"contents":[{}],"generationConfig":{"maxOutputTokens":5,"max_output_tokens":100000}}'
    capped = envelope.read(doubled, PATH + "generateContent", "")
    assert capped.max_output_tokens == 5
    assert b"100000" not in passthrough.request(capped, 700)


def test_counting_repeats_the_vendors_name_of_the_model():
    body = json.dumps({"generateContentRequest": {"model": "models/team/fast", "contents": [USER]}}).encode()
    call = envelope.read(body, PATH + "countTokens", "")
    assert json.loads(count.passed(call, "gemini-3-pro"))["generateContentRequest"]["model"] == "models/gemini-3-pro"
    assert count.decode(body, "m").turns == (TURN,)
    sent = json.loads(count.encode(ChatRequest(model="m", turns=(TURN,)), model="gemini-3-pro", wire=Wire.OPENAI))
    assert sent == {"generateContentRequest": {"model": "models/gemini-3-pro", "contents": [USER]}}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("top_k", "generationConfig.topK"),
        ("messages[3].content[1].image_url.detail", "contents"),
        ("response_format.json_schema.schema", "generationConfig.responseJsonSchema"),
        ("response_format.type", "generationConfig.responseMimeType"),
        ("safetySettings[0]", "safetySettings[0]"),
        (None, None),
    ],
)
def test_fields_are_told_in_the_callers_words(theirs, ours):
    assert fields.named(theirs) == ours
