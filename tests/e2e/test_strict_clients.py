"""The real clients where they refuse every answer that is not exactly of their types, whole and piece by piece."""

from __future__ import annotations

import json
import time

import anthropic
import openai
import pytest
import yaml

from tests.conformance.serve import SECRETS, configuration, models_in
from tests.conformance.vendors import EveryMessage, EveryOpenAiEndpoint
from tests.e2e.platform import Platform

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

MODELS = {"gpt": "openai", "claude": "anthropic"}
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TEXTS = ["hello", 'call weather {"city": "Oslo"}']
# A picture's or an audio model's fields and those that exclude each other are not among them: any vendor but a test's would refuse them.
ALL_CHAT = {
    "frequency_penalty": -2, "logit_bias": {"foo": 0}, "logprobs": True, "max_completion_tokens": 20, "metadata": {"foo": "string"},
    "modalities": ["text"], "n": 1, "parallel_tool_calls": True, "prediction": {"content": "string", "type": "content"},
    "presence_penalty": -2, "prompt_cache_key": "k", "prompt_cache_retention": "in_memory", "reasoning_effort": "none",
    "response_format": {"type": "text"}, "safety_identifier": "s", "seed": -9007199254740991, "service_tier": "auto", "stop": "\n",
    "store": True, "temperature": 1, "tool_choice": "none", "top_logprobs": 0, "top_p": 1, "user": "u", "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}  # fmt: skip
ALL_RESPONSES = {
    "include": ["file_search_call.results"], "instructions": "i", "max_output_tokens": 16, "max_tool_calls": 1, "metadata": {},
    "parallel_tool_calls": True, "prompt_cache_key": "k", "prompt_cache_retention": "in_memory", "safety_identifier": "s",
    "reasoning": {"effort": "none", "summary": "auto"}, "service_tier": "auto", "store": True, "temperature": 1, "tool_choice": "none",
    "text": {"format": {"type": "text"}, "verbosity": "low"}, "top_logprobs": 0, "top_p": 1, "truncation": "auto", "user": "u",
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with EveryOpenAiEndpoint() as vendor, EveryMessage() as messages:
        config = configuration(MODELS, openai_port=vendor.port, anthropic_port=messages.port)
        with Platform(tmp_path_factory.mktemp("strict"), yaml.safe_dump(config), env=SECRETS) as platform:
            yield vendor, platform


@pytest.fixture
def client(running):
    key = SECRETS["OPENAI_TESTS_KEY"]
    with openai.OpenAI(base_url=running[1].url + "/v1", api_key=key, max_retries=0, _strict_response_validation=True) as made:
        yield made


@pytest.fixture
def messages(running):
    key = SECRETS["ANTHROPIC_TESTS_KEY"]
    with anthropic.Anthropic(base_url=running[1].url, api_key=key, max_retries=0, _strict_response_validation=True) as made:
        yield made


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model", MODELS)
def test_chat(client, model, text):
    tools = [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": TOOL}}]
    asked = {"model": model, "messages": [{"role": "user", "content": text}], "tools": tools}
    whole = client.chat.completions.create(**asked).choices[0]
    assert whole.finish_reason == ("tool_calls" if "call" in text else "stop")
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.finish_reason


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model", MODELS)
def test_responses_are_kept_as_they_were_given(client, model, text):
    tools = [{"type": "function", "name": "weather", "parameters": TOOL, "strict": False}]
    given = client.responses.create(model=model, input=text, tools=tools)
    assert client.responses.retrieve(given.id).output == given.output
    assert [item.content[0].text for item in client.responses.input_items.list(given.id, limit=1, order="asc")] == [text]
    client.responses.delete(given.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(given.id)
    events = list(client.responses.create(model=model, input=text, tools=tools, stream=True))
    assert events[-1].type == "response.completed"
    assert [item.type for item in events[-1].response.output] == [item.type for item in given.output]


def test_every_field_at_once_passes_to_the_same_vendor_untouched(running, client):
    vendor = running[0]
    said = [{"role": "user", "content": "hello", "name": "name"}]
    client.chat.completions.create(model="gpt", messages=said, **ALL_CHAT)
    assert vendor.seen[-1][2] == {"model": "gpt-5-mini", "messages": said} | ALL_CHAT
    client.responses.create(model="gpt", input="hello", **ALL_RESPONSES)
    assert vendor.seen[-1][2] == {"model": "gpt-5-mini", "input": "hello"} | ALL_RESPONSES


def test_the_other_endpoints(client):
    assert client.moderations.create(model="gpt", input="hello").results[0].flagged is False
    assert client.embeddings.create(model="gpt", input="hello", encoding_format="float").data[0].embedding
    assert client.completions.create(model="gpt", prompt="hello").choices[0].text
    assert client.images.generate(model="gpt", prompt="a cat", n=2).usage.total_tokens == 4011
    assert [each.type for each in client.images.generate(model="gpt", prompt="a cat", stream=True)][-1] == "image_generation.completed"
    assert client.images.edit(model="gpt", prompt="a cat", image=[b"one", b"two"]).data
    with pytest.deprecated_call():
        assert client.images.create_variation(model="gpt", image=b"one").data
    assert client.audio.speech.create(model="gpt", input="hello", voice="alloy").read().startswith(b"ID3")
    assert [model.id for model in client.models.list()] == list(MODELS)


def test_files_and_a_batch(client):
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
    line = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}).encode()
    file = client.files.create(file=("in.jsonl", line), purpose="batch")
    assert client.files.content(file.id).read() == line
    assert None not in client.files.with_raw_response.retrieve(file.id).http_response.json().values()  # OpenAI's schema knows no null here
    assert [each.id for each in client.files.list(purpose="batch", order="asc", limit=2)] == [file.id]
    batch = client.batches.create(completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id)
    deadline = time.monotonic() + 120
    while (found := client.batches.retrieve(batch.id)).status != "completed":
        assert time.monotonic() < deadline, found.status
        time.sleep(0.1)
    assert json.loads(client.files.content(found.output_file_id).read())["custom_id"] == "a"
    assert client.files.delete(file.id).deleted


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model", MODELS)
def test_messages(messages, model, text):
    tools = [{"name": "weather", "description": "d", "input_schema": TOOL}]
    asked = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": text}], "tools": tools}
    whole = messages.messages.create(**asked)
    assert whole.stop_reason == ("tool_use" if "call" in text else "end_turn")
    events = list(messages.messages.create(**asked, stream=True))
    assert events[-1].type == "message_stop"
    assert messages.messages.count_tokens(model=model, messages=asked["messages"]).input_tokens > 0
    assert messages.models.retrieve(model).id == model


def test_the_models_that_a_suite_names_are_found(tmp_path):
    (tmp_path / "test_a.py").write_text(
        'create(model="tts-1")\nretrieve(\n  "gpt-4o-mini",\n)\nretrieve(model_id="model_id")\n"ft:gpt-4o:a:b"'
    )
    assert models_in(tmp_path) == ["ft:gpt-4o:a:b", "gpt-4o-mini", "model_id", "tts-1"]
