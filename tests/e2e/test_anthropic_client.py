# ruff: noqa: E501 - requests read best whole
"""The real `anthropic` client over a real socket, on every vendor."""

from __future__ import annotations

import anthropic
import pytest

from tests.e2e.conftest import KEY

MODELS = ["on-anthropic", "on-openai", "on-legacy"]
TOOLS = [
    {"name": name, "description": "A tool.", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
    for name in ("weather", "clock")
]  # fmt: skip
TWO_CALLS = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}'


@pytest.fixture
def client(scene):
    with anthropic.Anthropic(base_url=scene.platform.url, api_key=KEY, max_retries=0) as made:
        yield made


def said(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_text(client, model):
    answer = client.messages.create(model=model, max_tokens=100, messages=said("hello"))
    assert answer.content[-1].text == "You said: hello"
    assert answer.stop_reason == "end_turn"
    assert answer.model == model
    assert answer.usage.output_tokens == 3
    assert answer.model_extra["ninefold"]["cost_usd"] > 0


@pytest.mark.parametrize("model", MODELS)
def test_streamed_text(client, model):
    with client.messages.stream(model=model, max_tokens=100, messages=said("hello there")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "You said: hello there"
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 4
    events = list(client.messages.create(model=model, max_tokens=100, messages=said("hello there"), stream=True))
    assert events[-1].type == "message_stop"
    assert events[-2].usage.model_extra["ninefold"]["cost_usd"] > 0
    assert events[0].message.model == model


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_keep_their_arguments(client, model, stream):
    if stream:
        with client.messages.stream(model=model, max_tokens=200, messages=said(TWO_CALLS), tools=TOOLS) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(model=model, max_tokens=200, messages=said(TWO_CALLS), tools=TOOLS)
    assert answer.stop_reason == "tool_use"
    calls = [(b.name, b.input) for b in answer.content if b.type == "tool_use"]
    assert calls == [("weather", {"city": 'Köln "am" Rhein'}), ("clock", {"city": "Oslo"})]


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_tool_conversation(client, model):
    first = client.messages.create(model=model, max_tokens=200, system="Be brief.", messages=said(TWO_CALLS), tools=TOOLS)
    results = [
        {"type": "tool_result", "tool_use_id": b.id, "content": f"result of {b.name}"} for b in first.content if b.type == "tool_use"
    ]
    blocks = [b.model_dump(include={"type", "id", "name", "input", "text"}, exclude_none=True) for b in first.content]
    turns = [*said(TWO_CALLS), {"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
    answer = client.messages.create(
        model=model, max_tokens=200, system="Be brief.", messages=turns, tools=TOOLS, tool_choice={"type": "none"}
    )
    assert "result of clock" in answer.content[-1].text


@pytest.mark.parametrize("model", MODELS)
def test_images_reach_the_vendor(scene, client, model):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    content = [{"type": "text", "text": "what is this"}, image]
    client.messages.create(model=model, max_tokens=50, messages=[{"role": "user", "content": content}])
    vendor = {"on-openai": scene.openai, "on-legacy": scene.legacy, "on-anthropic": scene.anthropic}[model]
    sent = vendor.seen[-1][2]["messages"][0]["content"]
    if model == "on-anthropic":
        assert sent == content
    else:
        assert sent[1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-anthropic", "on-legacy"])
def test_reasoning_comes_through(client, model, stream):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    arguments = {"model": model, "max_tokens": 2000, "messages": said("think deep thoughts"), "thinking": thinking}
    if stream:
        with client.messages.stream(**arguments) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**arguments)
    assert [b.type for b in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking.replace(" ", "") == "deepthoughts"
    assert answer.content[1].text == "Done."


@pytest.mark.parametrize("model", MODELS)
def test_length_and_cached_tokens(client, model):
    answer = client.messages.create(model=model, max_tokens=7, messages=said("long 50"))
    assert answer.stop_reason == "max_tokens"
    assert answer.usage.output_tokens == 7
    cached = client.messages.create(model=model, max_tokens=50, messages=said("this is cached"))
    assert cached.usage.cache_read_input_tokens == 8


@pytest.mark.parametrize("model", [*MODELS, "local/reader"])
def test_count_tokens(client, model):
    few = client.messages.count_tokens(model=model, messages=said("hello")).input_tokens
    many = client.messages.count_tokens(model=model, messages=said("hello " * 100)).input_tokens
    assert 0 < few < 30
    assert 90 < many < 250


def test_what_the_target_cannot_express_is_named(client):
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(model="on-openai", max_tokens=50, messages=said("x"), extra_body={"top_k": 5})
    assert "top_k" in str(refused.value)


def test_unknown_fields_and_beta_headers_pass_to_the_same_vendor(scene, client):
    client.messages.create(
        model="on-anthropic", max_tokens=50, messages=said("x"), extra_body={"context_management": {"edits": []}}, extra_headers={"anthropic-beta": "b1"}
    )  # fmt: skip
    _, headers, body = scene.anthropic.seen[-1]
    assert body["context_management"] == {"edits": []}
    assert headers["anthropic-beta"] == "b1"


def test_the_local_reader_answers_on_this_surface_too(client):
    text = "The office in Oslo opened in 1998. Its director is Ingrid Berg."
    answer = client.messages.create(
        model="local/reader", max_tokens=200, system=text, messages=said("Who is the director of the Oslo office?")
    )
    assert "Ingrid Berg" in answer.content[-1].text
    with client.messages.stream(
        model="local/reader", max_tokens=200, system=text, messages=said("Who is the director of the Oslo office?")
    ) as stream:
        assert "Ingrid Berg" in "".join(stream.text_stream)


def test_errors_have_the_anthropic_envelope(scene):
    body = {"model": "nope", "max_tokens": 5, "messages": said("x")}
    status, _, error = scene.platform.get("/v1/messages", key=KEY, method="POST", body=body)
    assert status == 404
    assert error["type"] == "error"
    assert error["error"]["type"] == "not_found_error"
    assert error["request_id"]


def test_a_model_that_is_not_there_is_told_in_the_anthropic_envelope(scene, client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "not_found_error"
    status, _, body = scene.platform.get("/v1/models/nope", key=KEY)
    assert (status, body["error"]["type"]) == (404, "invalid_request_error")
