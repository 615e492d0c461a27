"""The real `openai` and `anthropic` clients onto Bedrock, whose server checks every signature."""

from __future__ import annotations

import base64
import json
import struct

import anthropic
import openai
import pytest

from tests.e2e.platform import Platform
from tests.vendors.bedrock import BedrockVendor
from tests.vendors.openai import OpenAiVendor
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

KEY = "test-key-acme"
SECRETS = {
    "AWS_ID": "AKIDTEST", "AWS_SECRET": "aws-vendor", "AWS_TOKEN": "session/token==", "BEDROCK_KEY": "bedrock-key", "WRONG": "no-such-key",
    "OPENAI_KEY": "sk-vendor", "ACME_KEY": KEY,
}  # fmt: skip
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONFIG = """
deployments:
  - name: signed
    provider: bedrock
    passthrough: true
    base_url: http://127.0.0.1:{bedrock}
    region: eu-central-1
    credentials: {{access_key_id: {{env: AWS_ID}}, secret_access_key: {{env: AWS_SECRET}}, session_token: {{env: AWS_TOKEN}}}}
    model: {claude}
    price: {{input_per_million: 3.0, cached_input_per_million: 0.3, output_per_million: 15.0}}
  - {{name: keyed, provider: bedrock, base_url: "http://127.0.0.1:{bedrock}", region: eu-central-1, api_key: {{env: BEDROCK_KEY}}, model: "amazon.nova-lite-v1:0", price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: forged, provider: bedrock, base_url: "http://127.0.0.1:{bedrock}", region: eu-central-1, credentials: {{access_key_id: {{env: AWS_ID}}, secret_access_key: {{env: WRONG}}}}, model: x, price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: rotating, provider: bedrock, base_url: "http://127.0.0.1:{bedrock}", region: eu-central-1, api_keys: [{{env: WRONG}}, {{env: BEDROCK_KEY}}], model: x, price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: vectors, provider: bedrock, base_url: "http://127.0.0.1:{bedrock}", region: eu-central-1, credentials: {{access_key_id: {{env: AWS_ID}}, secret_access_key: {{env: AWS_SECRET}}, session_token: {{env: AWS_TOKEN}}}}, model: "amazon.titan-embed-text-v2:0", price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: oai, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini, price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
models:
  - {{name: claude, route: {{strategy: priority, deployments: [signed]}}, timeouts: {timeouts}}}
  - {{name: nova, route: {{strategy: priority, deployments: [keyed]}}, timeouts: {timeouts}}}
  - {{name: forged, route: {{strategy: priority, deployments: [forged]}}, timeouts: {timeouts}}}
  - {{name: rotating, route: {{strategy: priority, deployments: [rotating]}}, timeouts: {timeouts}, retries: {{max_attempts: 3}}}}
  - {{name: vectors, route: {{strategy: priority, deployments: [vectors]}}, timeouts: {timeouts}}}
  - {{name: safe, route: {{strategy: priority, deployments: [signed, oai]}}, timeouts: {timeouts}, retries: {{max_attempts: 3}}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [claude, nova, forged, rotating, vectors, safe]
    budgets: [{{limit_usd: 5.00, window: month}}]
"""  # noqa: E501  a deployment a line reads best
TIMEOUTS = "{first_token_s: 1.0, idle_s: 1.0, total_s: 6}"
MODELS = ["claude", "nova"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": name, "description": "A tool.", "parameters": SCHEMA}} for name in ("weather", "clock")]
BLOCKS = [{"name": name, "description": "A tool.", "input_schema": SCHEMA} for name in ("weather", "clock")]
TWO_CALLS = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}'
MADE = [("weather", {"city": 'Köln "am" Rhein'}), ("clock", {"city": "Oslo"})]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with BedrockVendor(token="session/token==") as bedrock, OpenAiVendor() as other:
        config = CONFIG.format(bedrock=bedrock.port, openai=other.port, claude=CLAUDE, timeouts=TIMEOUTS)
        with Platform(tmp_path_factory.mktemp("bedrock"), config, env=SECRETS) as platform:
            yield bedrock, platform


@pytest.fixture
def bedrock(running):
    running[0].seen.clear()
    running[0].fault = None
    yield running[0]
    running[0].fault = None


@pytest.fixture
def client(running, bedrock):
    with openai.OpenAI(base_url=running[1].url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def messages(running, bedrock):
    with anthropic.Anthropic(base_url=running[1].url, api_key=KEY, max_retries=0) as made:
        yield made


def said(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_text_for_openai(client, bedrock, model):
    answer = client.chat.completions.create(model=model, messages=said("hello"), stop=["END"], temperature=0.5)
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == model
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage.completion_tokens == 3
    assert answer.model_extra["ninefold"]["cost_usd"] > 0
    path, _, sent = bedrock.seen[-1]
    assert path.startswith(f"/model/{CLAUDE if model == 'claude' else 'amazon.nova-lite-v1:0'}/converse")
    assert sent["inferenceConfig"]["stopSequences"] == ["END"]
    assert sent["inferenceConfig"]["temperature"] == 0.5


@pytest.mark.parametrize("model", MODELS)
def test_streamed_text_for_openai(client, model):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=model, messages=said("hello there"), stream=True, stream_options=options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: hello there"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == 4
    assert chunks[-1].model_extra["ninefold"]["cost_usd"] > 0
    assert len({c.id for c in chunks}) == 1


@pytest.mark.parametrize("model", MODELS)
def test_streamed_text_for_anthropic(messages, model):
    with messages.messages.stream(model=model, max_tokens=100, messages=said("hello there")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "You said: hello there"
    assert (final.stop_reason, final.usage.output_tokens, final.model) == ("end_turn", 4, model)
    assert final.id.startswith("msg_")


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_calls_and_their_results_for_openai(client, stream):
    turns = said(TWO_CALLS)
    if stream:
        with client.chat.completions.stream(model="claude", messages=turns, tools=TOOLS) as events:
            answer = events.get_final_completion().choices[0]
    else:
        answer = client.chat.completions.create(model="claude", messages=turns, tools=TOOLS).choices[0]
    assert answer.finish_reason == "tool_calls"
    calls = answer.message.tool_calls
    assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == MADE
    made = [{"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]
    results = [{"role": "tool", "tool_call_id": c.id, "content": f"result of {c.function.name}"} for c in calls]
    turns = [*turns, {"role": "assistant", "tool_calls": made}, *results]
    assert "result of clock" in client.chat.completions.create(model="claude", messages=turns, tools=TOOLS).choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_calls_for_anthropic(messages, stream):
    asked = {"model": "claude", "max_tokens": 200, "messages": said(TWO_CALLS), "tools": BLOCKS, "tool_choice": {"type": "any"}}
    if stream:
        with messages.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = messages.messages.create(**asked)
    assert answer.stop_reason == "tool_use"
    assert [(b.name, b.input) for b in answer.content if b.type == "tool_use"] == MADE


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_and_its_signature_come_through(messages, stream):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = {"model": "claude", "max_tokens": 2000, "messages": said("think deep thoughts"), "thinking": thinking}
    if stream:
        with messages.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = messages.messages.create(**asked)
    assert [b.type for b in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking.replace(" ", "") == "deepthoughts"
    assert answer.content[0].signature == "c2ln"
    again = [*said("think"), {"role": "assistant", "content": answer.content}, *said("why?")]
    assert messages.messages.create(model="claude", max_tokens=2000, messages=again).content[0].text == "You said: why?"


def test_schemas_pictures_files_and_cache_marks_reach_bedrock(client, messages, bedrock):
    shape = {"type": "json_schema", "json_schema": {"name": "town", "schema": SCHEMA, "strict": True}}
    answer = client.chat.completions.create(model="claude", messages=said('json {"city":"Oslo"}'), response_format=shape)
    assert json.loads(answer.choices[0].message.content) == {"city": "Oslo"}
    definition = bedrock.seen[-1][2]["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == SCHEMA
    content = [
        {"type": "text", "text": "what is this", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="}, "title": "Q3.pdf"},
    ]
    messages.messages.create(model="claude", max_tokens=50, messages=[{"role": "user", "content": content}])
    assert [next(iter(b)) for b in bedrock.seen[-1][2]["messages"][0]["content"]] == ["text", "cachePoint", "image", "document"]


def test_lengths_cached_tokens_and_filters(messages, client):
    answer = messages.messages.create(model="claude", max_tokens=7, messages=said("long 50"))
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 7)
    assert messages.messages.create(model="claude", max_tokens=50, messages=said("this is cached")).usage.cache_read_input_tokens == 8
    assert client.chat.completions.create(model="claude", messages=said("refuse")).choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(client, encoding):
    found = client.embeddings.create(model="vectors", input="hello", encoding_format=encoding)
    vector = found.data[0].embedding
    assert (vector if encoding == "float" else list(struct.unpack("<3f", base64.b64decode(vector)))) == [5.0, 0.5, -0.25]
    assert found.usage.prompt_tokens == 2
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="vectors", input=["a", "b"])
    assert refused.value.param == "input"


def test_what_bedrock_cannot_express_is_named(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="claude", messages=said("x"), seed=7)
    assert refused.value.param == "seed"


def test_a_forged_signature_is_not_the_callers_fault(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="forged", messages=said("x"))
    assert refused.value.status_code == 502
    assert "aws-vendor" not in str(refused.value)


def test_the_next_key_is_asked_where_one_is_refused(client, bedrock):
    for _ in range(2):
        assert client.chat.completions.create(model="rotating", messages=said("hello")).choices[0].message.content == "You said: hello"
    asked = [headers["authorization"] for _, headers, _ in bedrock.seen]
    assert asked == ["Bearer no-such-key", "Bearer bedrock-key", "Bearer bedrock-key"]


FAULTS = [
    Fault("status", status=429, retry_after="1"), Fault("status", status=503), Fault("status", status=424), Fault("silent"),
    Fault("garbage"), Fault("cut_after", at=0), Fault("cut_after", at=1), Fault("end_after", at=1), Fault("stall_after", at=1),
    Fault("error_after", at=1),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind}-{f.status if f.kind == 'status' else f.at}")
def test_before_the_first_content_another_vendor_answers(client, bedrock, fault):
    bedrock.fault = fault
    chunks = list(client.chat.completions.create(model="safe", messages=said("hello"), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: hello"


@pytest.mark.parametrize("kind", ["cut_after", "end_after", "stall_after", "error_after"])
def test_a_stream_cut_short_never_ends_cleanly(client, bedrock, kind):
    bedrock.fault = Fault(kind, at=3)
    seen = []

    def listen():
        seen.extend(client.chat.completions.create(model="claude", messages=said("hello there you"), stream=True))

    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        listen()
    assert all(c.choices[0].finish_reason is None for c in seen if c.choices)


def test_its_own_endpoints_are_passed_on_signed(running, bedrock):
    body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    status, _, answer = running[1].get("/passthrough/claude/model/claude/converse", key=KEY, method="POST", body=body)
    assert status == 200, answer
    assert answer["output"]["message"]["content"] == [{"text": "You said: hello"}]
    path, headers, _ = bedrock.seen[-1]
    assert path == f"/model/{CLAUDE}/converse"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDTEST/")
