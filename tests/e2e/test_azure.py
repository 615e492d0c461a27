"""The real `openai` and `anthropic` clients onto Azure OpenAI, old addresses and new."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

from tests.e2e.platform import Platform
from tests.vendors.azure import AzureVendor
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

KEY = "test-key-acme"
SECRETS = {"AZURE_KEY": "azure-vendor", "WRONG": "no-such-key", "ACME_KEY": KEY}
PRICE = "price: {input_per_million: 1.0, output_per_million: 2.0}"
CONFIG = """
deployments:
  - {{name: dated, provider: azure, base_url: "http://127.0.0.1:{port}", api_key: {{env: AZURE_KEY}}, api_version: "2024-10-21", model: prod-chat, {price}}}
  - {{name: v1, provider: azure, base_url: "http://127.0.0.1:{port}/openai/v1", api_keys: [{{env: WRONG}}, {{env: AZURE_KEY}}], model: prod-chat, {price}}}
  - {{name: vectors, provider: azure, base_url: "http://127.0.0.1:{port}", api_key: {{env: AZURE_KEY}}, api_version: "2024-10-21", model: prod-embed, {price}}}
models:
  - {{name: old, route: {{strategy: priority, deployments: [dated]}}, timeouts: {timeouts}}}
  - {{name: new, route: {{strategy: priority, deployments: [v1]}}, timeouts: {timeouts}, retries: {{max_attempts: 3}}}}
  - {{name: vectors, route: {{strategy: priority, deployments: [vectors]}}, timeouts: {timeouts}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [old, new, vectors]
    budgets: [{{limit_usd: 5.00, window: month}}]
"""  # noqa: E501  a deployment a line reads best
TIMEOUTS = "{first_token_s: 1.0, idle_s: 1.0, total_s: 6}"
MODELS = ["old", "new"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": name, "description": "A tool.", "parameters": SCHEMA}} for name in ("weather", "clock")]
TWO_CALLS = 'call weather {"city": "Köln"}\ncall clock {"city": "Oslo"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with AzureVendor() as azure:
        config = CONFIG.format(port=azure.port, timeouts=TIMEOUTS, price=PRICE)
        with Platform(tmp_path_factory.mktemp("azure"), config, env=SECRETS) as platform:
            yield azure, platform


@pytest.fixture
def azure(running):
    running[0].seen.clear()
    running[0].fault = None
    yield running[0]
    running[0].fault = None


@pytest.fixture
def client(running, azure):
    with openai.OpenAI(base_url=running[1].url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def messages(running, azure):
    with anthropic.Anthropic(base_url=running[1].url, api_key=KEY, max_retries=0) as made:
        yield made


def said(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_text(client, azure, model):
    answer = client.chat.completions.create(model=model, messages=said("hello"))
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.model == model
    assert answer.usage.completion_tokens == 3
    assert azure.seen[-1][2]["max_completion_tokens"] > 0
    expected = {"old": ("prod-chat", "2024-10-21"), "new": (None, None)}[model]
    assert azure.address[:2] == expected


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_streams_with_verdicts_of_the_content_filter(client, model, usage):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(model=model, messages=said("hello there"), stream=True, **more))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices and c.choices[0].delta) == "You said: hello there"
    assert "stop" in [c.choices[0].finish_reason for c in chunks if c.choices]
    assert chunks[-1].model_extra["ninefold"]["cost_usd"] > 0


@pytest.mark.parametrize("model", MODELS)
def test_streams_for_anthropic(messages, model):
    with messages.messages.stream(model=model, max_tokens=100, messages=said("hello there")) as stream:
        assert "".join(stream.text_stream) == "You said: hello there"
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls(client, stream):
    if stream:
        with client.chat.completions.stream(model="old", messages=said(TWO_CALLS), tools=TOOLS) as events:
            answer = events.get_final_completion().choices[0]
    else:
        answer = client.chat.completions.create(model="old", messages=said(TWO_CALLS), tools=TOOLS).choices[0]
    calls = [(c.function.name, json.loads(c.function.arguments)) for c in answer.message.tool_calls]
    assert calls == [("weather", {"city": "Köln"}), ("clock", {"city": "Oslo"})]


def test_embeddings(client):
    found = client.embeddings.create(model="vectors", input=["a", "bb"])
    assert [item.embedding[0] for item in found.data] == [1.0, 2.0]


def test_the_content_filter_names_its_categories(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="old", messages=said("forbidden"))
    assert "violence (medium)" in refused.value.message
    assert "jailbreak" in refused.value.message


@pytest.mark.parametrize("kind", ["cut_after", "end_after", "stall_after", "error_after"])
def test_a_stream_cut_short_never_ends_cleanly(client, azure, kind):
    azure.fault = Fault(kind, at=4)

    def listen():
        return list(client.chat.completions.create(model="old", messages=said("hello there you"), stream=True))

    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        listen()
