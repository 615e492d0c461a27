# ruff: noqa: E501 - requests read best whole
"""The real `openai` client over a real socket, on every vendor."""

from __future__ import annotations

import json

import openai
import pytest

from tests.e2e.conftest import KEY

MODELS = ["on-openai", "on-legacy", "on-anthropic"]
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
    for name in ("weather", "clock")
]  # fmt: skip
TWO_CALLS = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}'


@pytest.fixture
def client(scene):
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


def said(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_text(client, model):
    answer = client.chat.completions.create(model=model, messages=said("hello"))
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == model
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3
    extra = answer.model_extra["ninefold"]
    assert extra["cost_usd"] > 0
    assert len(extra["trace_id"]) == 32
    assert extra["route"]["strategy"] == "priority"
    assert extra["route"]["attempts"] == 1


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_streamed_text(client, model, usage):
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(model=model, messages=said("hello there"), stream=True, **options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: hello there"
    assert {c.model for c in chunks} == {model}
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    carriers = [c for c in chunks if "ninefold" in (c.model_extra or {})]
    assert carriers == [chunks[-1]]
    assert carriers[0].model_extra["ninefold"]["cost_usd"] > 0
    assert (chunks[-1].usage is not None) is usage
    if usage:
        assert chunks[-1].choices == []
        assert chunks[-1].usage.completion_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_keep_their_arguments(client, model, stream):
    if stream:
        with client.chat.completions.stream(model=model, messages=said(TWO_CALLS), tools=TOOLS) as events:
            answer = events.get_final_completion()
    else:
        answer = client.chat.completions.create(model=model, messages=said(TWO_CALLS), tools=TOOLS)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = [(c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls]
    assert calls == [("weather", {"city": 'Köln "am" Rhein'}), ("clock", {"city": "Oslo"})]
    assert len({c.id for c in choice.message.tool_calls}) == 2


@pytest.mark.parametrize("model", MODELS)
def test_tool_envelopes_tell_orchestrators_what_was_asked(scene, client, model):
    answer = client.chat.completions.create(model=model, messages=said('call weather {"city": 5}'), tools=TOOLS)
    envelope = answer.model_extra["ninefold"]["tool_calls"]
    assert [(e["tool"], e["schema"], e["permission"], len(e["arguments_sha256"])) for e in envelope] == [
        ("weather", "invalid", "undecided", 64)
    ]


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_tool_conversation(scene, client, model):
    first = client.chat.completions.create(model=model, messages=said(TWO_CALLS), tools=TOOLS)
    message = first.choices[0].message
    turns = [
        {"role": "system", "content": "Be brief."},
        *said(TWO_CALLS),
        message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}),
        *[{"role": "tool", "tool_call_id": c.id, "content": f"result of {c.function.name}"} for c in message.tool_calls],
    ]
    answer = client.chat.completions.create(model=model, messages=turns, tools=TOOLS, tool_choice="none")
    assert "result of clock" in answer.choices[0].message.content


@pytest.mark.parametrize("model", MODELS)
def test_images_reach_the_vendor(scene, client, model):
    url = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    vendor = {"on-openai": scene.openai, "on-legacy": scene.legacy, "on-anthropic": scene.anthropic}[model]
    sent = vendor.seen[-1][2]["messages"][0]["content"]
    if model == "on-anthropic":
        assert sent[1] == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    else:
        assert sent == content


@pytest.mark.parametrize("model", MODELS)
def test_schema_output(scene, client, model):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    answer = client.chat.completions.create(model=model, messages=said('json {"a": 1}'), response_format=wanted)
    assert json.loads(answer.choices[0].message.content) == {"a": 1}
    vendor = {"on-openai": scene.openai, "on-legacy": scene.legacy, "on-anthropic": scene.anthropic}[model]
    assert schema in [*_values(vendor.seen[-1][2])]


def _values(document):
    yield document
    for inner in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _values(inner)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-legacy", "on-anthropic"])
def test_reasoning_comes_through(client, model, stream):
    if stream:
        chunks = client.chat.completions.create(model=model, messages=said("think deep thoughts"), stream=True)
        thought = "".join((c.choices[0].delta.model_extra or {}).get("reasoning_content") or "" for c in chunks if c.choices)
    else:
        answer = client.chat.completions.create(model=model, messages=said("think deep thoughts"))
        thought = answer.choices[0].message.model_extra["reasoning_content"]
        assert answer.choices[0].message.content == "Done."
    assert thought.replace(" ", "") == "deepthoughts"


@pytest.mark.parametrize("model", MODELS)
def test_length_and_cached_tokens(client, model):
    answer = client.chat.completions.create(model=model, messages=said("long 50"), max_completion_tokens=7) if model == "on-openai" else (
        client.chat.completions.create(model=model, messages=said("long 50"), max_tokens=7)
    )  # fmt: skip
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 7
    cached = client.chat.completions.create(model=model, messages=said("this is cached"))
    assert cached.usage.prompt_tokens_details.cached_tokens == 8


def test_unknown_fields_pass_to_the_same_vendor_and_are_named_to_another(client):
    answer = client.chat.completions.create(model="on-openai", messages=said("x"), extra_body={"safety_identifier": "u1"})
    assert answer.choices[0].message.content == "You said: x"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="on-anthropic", messages=said("x"), seed=7)
    assert refused.value.param == "seed"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="on-anthropic", messages=said("x"), n=2)
    assert refused.value.param == "n"


def test_attribution_metadata_is_ours_and_does_not_reach_the_vendor(scene, client):
    client.chat.completions.create(model="on-openai", messages=said("x"), metadata={"product": "search"})
    assert "metadata" not in scene.openai.seen[-1][2]


def test_vendor_refusals_are_the_callers_errors(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="on-openai", messages=[{"role": "tool", "tool_call_id": "x", "content": "y"}])
    assert "tool" in str(refused.value)


def test_embeddings(scene, client):
    answer = client.embeddings.create(model="local/embed", input=["a cat", "a kitten", "tax law"])
    vectors = [row.embedding for row in answer.data]
    assert [len(v) for v in vectors] == [384] * 3

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.2
    assert answer.usage.prompt_tokens > 3


def test_the_local_reader_quotes_its_source(client):
    text = "The office in Oslo opened in 1998.\nIts director is Ingrid Berg.\nLunch is served at noon."
    messages = [{"role": "system", "content": text}, {"role": "user", "content": "Who is the director of the Oslo office?"}]
    answer = client.chat.completions.create(model="local/reader", messages=messages)
    assert "Ingrid Berg" in answer.choices[0].message.content
    absent = client.chat.completions.create(
        model="local/reader", messages=[messages[0], *said("How many employees does the Tokyo branch have?")]
    )
    assert "Ingrid" not in absent.choices[0].message.content
    streamed = list(client.chat.completions.create(model="local/reader", messages=messages, stream=True))
    assert "Ingrid Berg" in "".join(c.choices[0].delta.content or "" for c in streamed if c.choices)


def test_models(client):
    assert [m.id for m in client.models.list()] == ["on-openai", "on-legacy", "on-anthropic", "fast", "local/embed", "local/reader"]
    assert client.models.retrieve("fast").id == "fast"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_headers(scene):
    status, headers, _ = scene.platform.chat(KEY, "x", model="on-openai")
    assert status == 200
    assert headers["x-ninefold-deployment"] == "oai"
    assert headers["x-ninefold-decision-id"].startswith("dec-")
    whole, _, fraction = headers["x-ninefold-cost-usd"].partition(".")
    assert whole.isdigit()
    assert len(fraction) == 9
    assert headers["x-ninefold-cache"] == "bypass"


def test_the_callers_trace_goes_on(scene):
    parent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    body = {"model": "on-openai", "messages": said("x")}
    _, headers, _ = scene.platform.get("/v1/chat/completions", key=KEY, method="POST", body=body, headers={"traceparent": parent})
    assert headers["x-ninefold-trace-id"] == "ab" * 16
    version, trace_id, span_id, flags = scene.openai.seen[-1][1]["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", "ab" * 16, "01")
    assert span_id != "cd" * 8
