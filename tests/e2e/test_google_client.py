# ruff: noqa: E501 - the configuration and requests read best whole
"""The real `google-genai` client over a real socket, on every vendor; and other vendors' clients on Gemini."""

from __future__ import annotations

import asyncio
import json

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.e2e.conftest import KEY, SECRETS, TIMEOUTS
from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.gemini import GeminiVendor
from tests.vendors.openai import OpenAiVendor
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

CONFIG = """
deployments:
  - {{name: gem, provider: gemini, base_url: "http://127.0.0.1:{gemini}", api_key: {{env: GEMINI_KEY}}, model: gemini-3-flash, price: {{input_per_million: 0.5, cached_input_per_million: 0.05, output_per_million: 3.0}}}}
  - {{name: gem2, provider: gemini, base_url: "http://127.0.0.1:{gemini}", api_key: {{env: GEMINI_KEY}}, model: gemini-2.5-flash, price: {{input_per_million: 0.3, output_per_million: 2.5}}}}
  - {{name: oai, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini, price: {{input_per_million: 0.25, output_per_million: 2.0}}}}
  - {{name: legacy, provider: openai, base_url: "http://127.0.0.1:{legacy}/v1", api_key: {{env: OPENAI_KEY}}, model: qwen-3, price: {{input_per_million: 0.1, output_per_million: 0.4}}}}
  - {{name: ant, provider: anthropic, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1.0, output_per_million: 5.0}}}}
  - {{name: gem-embed, provider: gemini, base_url: "http://127.0.0.1:{gemini}", api_key: {{env: GEMINI_KEY}}, model: gemini-embedding-001, price: {{input_per_million: 0.15, output_per_million: 0}}}}
  - {{name: oai-embed, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: text-embedding-3-small, price: {{input_per_million: 0.02, output_per_million: 0}}}}
models:
  - {{name: embed-gemini, route: {{strategy: priority, deployments: [gem-embed]}}}}
  - {{name: embed-openai, route: {{strategy: priority, deployments: [oai-embed]}}}}
  - {{name: on-gemini, route: {{strategy: priority, deployments: [gem]}}, timeouts: {timeouts}}}
  - {{name: on-gemini-2, route: {{strategy: priority, deployments: [gem2]}}, timeouts: {timeouts}}}
  - {{name: on-openai, route: {{strategy: priority, deployments: [oai]}}, timeouts: {timeouts}}}
  - {{name: on-legacy, route: {{strategy: priority, deployments: [legacy]}}, timeouts: {timeouts}}}
  - {{name: on-anthropic, route: {{strategy: priority, deployments: [ant]}}, timeouts: {timeouts}}}
  - {{name: "team/any", route: {{strategy: priority, deployments: [gem, oai, ant]}}, timeouts: {timeouts}, retries: {{max_attempts: 3}}}}
  - {{name: hidden, route: {{strategy: priority, deployments: [gem]}}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [on-gemini, on-gemini-2, on-openai, on-legacy, on-anthropic, "team/*", "embed-*"]
    budgets: [{{limit_usd: 5.00, window: month}}]
"""
MODELS = ["on-gemini", "on-gemini-2", "on-openai", "on-legacy", "on-anthropic"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="weather", description="A tool.", parameters_json_schema=SCHEMA),
            types.FunctionDeclaration(
                name="clock",
                description="A tool.",
                parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
            ),
        ]
    )
]
TWO_CALLS = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}'
CALLED = [("weather", {"city": 'Köln "am" Rhein'}), ("clock", {"city": "Oslo"})]


class Scene:
    def __init__(self, gemini, openai_vendor, legacy, anthropic_vendor) -> None:
        self.gemini, self.openai, self.legacy, self.anthropic = gemini, openai_vendor, legacy, anthropic_vendor
        self.platform: Platform

    def vendor(self, model: str):
        return {"on-openai": self.openai, "on-legacy": self.legacy, "on-anthropic": self.anthropic}.get(model, self.gemini)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with GeminiVendor() as gemini, OpenAiVendor() as oai, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as ant:
        scene = Scene(gemini, oai, legacy, ant)
        config = CONFIG.format(gemini=gemini.port, openai=oai.port, legacy=legacy.port, anthropic=ant.port, timeouts=TIMEOUTS)
        env = SECRETS | {"GEMINI_KEY": "goog-vendor"}
        with Platform(tmp_path_factory.mktemp("platform"), config, env=env) as scene.platform:
            yield scene


@pytest.fixture
def scene(running):
    for vendor in (running.gemini, running.openai, running.legacy, running.anthropic):
        vendor.fault, vendor.delay_s, vendor.cancelled = None, 0.0, 0
        vendor.seen.clear()
    return running


@pytest.fixture(scope="module")
def google(running):
    """One for all tests: making one reads the certificates of the whole world."""
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=running.platform.url)) as made:
        yield made


@pytest.fixture
def client(scene, google):
    return google


def config(**more) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **more)


def asked(client, model, contents, *, stream=False, **more) -> list[types.GenerateContentResponse]:
    """The chunks of an answer; one, if it is not streamed."""
    if stream:
        return list(client.models.generate_content_stream(model=model, contents=contents, config=config(**more)))
    return [client.models.generate_content(model=model, contents=contents, config=config(**more))]


def parts(chunks) -> list[types.Part]:
    return [part for chunk in chunks for part in (chunk.candidates[0].content and chunk.candidates[0].content.parts) or []]


def text(chunks) -> str:
    return "".join(part.text or "" for part in parts(chunks) if not part.thought)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_text(client, model, stream):
    chunks = asked(client, model, "hello there", stream=stream)
    assert text(chunks) == "You said: hello there"
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert {chunk.model_version for chunk in chunks} == {model}
    usage = chunks[-1].usage_metadata
    assert usage.candidates_token_count == 4
    assert usage.total_token_count == usage.prompt_token_count + 4
    if stream:
        assert len(chunks) > 2


@pytest.mark.parametrize("model", MODELS)
def test_async(scene, model):
    async def ask():
        async with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=scene.platform.url)).aio as client:
            whole = await client.models.generate_content(model=model, contents="hello")
            chunks = [chunk async for chunk in await client.models.generate_content_stream(model=model, contents="hello")]
            return [whole], chunks

    whole, chunks = asyncio.run(ask())
    assert text(whole) == text(chunks) == "You said: hello"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_keep_their_arguments(client, model, stream):
    chunks = asked(client, model, TWO_CALLS, stream=stream, tools=TOOLS)
    calls = [part.function_call for part in parts(chunks) if part.function_call]
    assert [(call.name, call.args) for call in calls] == CALLED
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP


@pytest.mark.parametrize("with_ids", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_whole_tool_conversation(client, model, with_ids):
    answer = asked(client, model, TWO_CALLS, tools=TOOLS, system_instruction="Be brief.")[0]
    calls = [part.function_call for part in parts([answer])]
    results = [
        types.Part(
            function_response=types.FunctionResponse(name=c.name, id=c.id if with_ids else None, response={"output": f"result of {c.name}"})
        )
        for c in calls
    ]
    turns = [
        types.UserContent(TWO_CALLS),
        answer.candidates[0].content,
        types.Content(role="user", parts=results),
    ]
    none = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.NONE))
    last = asked(client, model, turns, tools=TOOLS, tool_config=none, system_instruction="Be brief.")
    assert "result of clock" in text(last)


def test_a_conversation_that_another_model_began_goes_on_at_gemini_and_the_other_way_round(client):
    for first, second in (
        ("on-openai", "on-gemini"),
        ("on-anthropic", "on-gemini"),
        ("on-gemini", "on-openai"),
        ("on-gemini", "on-anthropic"),
    ):
        answer = asked(client, first, TWO_CALLS, tools=TOOLS)[0]
        results = [
            types.Part.from_function_response(name=part.function_call.name, response={"output": "r-" + part.function_call.name})
            for part in parts([answer])
        ]
        turns = [types.UserContent(TWO_CALLS), answer.candidates[0].content, types.Content(role="user", parts=results)]
        assert "r-clock" in text(asked(client, second, turns, tools=TOOLS))


def test_thoughts_that_another_vendor_signed_do_not_reach_gemini_as_its_own(client):
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    answer = asked(client, "on-anthropic", "think deep thoughts", thinking_config=thinking, max_output_tokens=2000)[0]
    turns = [types.UserContent("think deep thoughts"), answer.candidates[0].content, types.UserContent("and now")]
    for model in ("on-gemini", "on-anthropic"):
        assert text(asked(client, model, turns)) == "You said: and now"


@pytest.mark.parametrize("model", MODELS)
def test_a_named_function_and_json_schema(scene, client, model):
    named = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["clock"])
    asked(client, model, "hello", tools=TOOLS, tool_config=types.ToolConfig(function_calling_config=named))
    sent = scene.vendor(model).seen[-1][2]
    expected = {
        "on-openai": {"type": "function", "function": {"name": "clock"}},
        "on-legacy": {"type": "function", "function": {"name": "clock"}},
        "on-anthropic": {"type": "tool", "name": "clock"},
    }
    if model in expected:
        assert sent["tool_choice"] == expected[model]
    else:
        assert sent["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["clock"]}
    answer = asked(
        client, model, 'json {"city":"Oslo"}', response_mime_type="application/json", response_json_schema=SCHEMA, temperature=0.5
    )
    assert json.loads(text(answer)) == {"city": "Oslo"}
    sent = scene.vendor(model).seen[-1][2]
    found = {
        "on-openai": lambda: sent["response_format"]["json_schema"]["schema"],
        "on-legacy": lambda: sent["response_format"]["json_schema"]["schema"],
        "on-anthropic": lambda: sent["output_config"]["format"]["schema"],
    }.get(model, lambda: sent["generationConfig"]["responseJsonSchema"])()
    assert found == SCHEMA


@pytest.mark.parametrize("model", MODELS)
def test_images_reach_the_vendor(scene, client, model):
    picture = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    asked(client, model, [picture, "what is this"])
    sent = scene.vendor(model).seen[-1][2]
    if model.startswith("on-gemini"):
        assert sent["contents"][0]["parts"][0] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    elif model == "on-anthropic":
        assert sent["messages"][0]["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    else:
        assert sent["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-gemini", "on-gemini-2", "on-legacy", "on-anthropic"])
def test_reasoning_comes_through(client, model, stream):
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    chunks = asked(client, model, "think deep thoughts", stream=stream, thinking_config=thinking, max_output_tokens=2000)
    thoughts = "".join(part.text or "" for part in parts(chunks) if part.thought)
    assert thoughts.replace(" ", "") == "deepthoughts"
    assert text(chunks) == "Done."


@pytest.mark.parametrize("model", MODELS)
def test_length_and_cached_tokens(client, model):
    answer = asked(client, model, "long 50", max_output_tokens=7)[0]
    assert answer.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count == 7
    assert asked(client, model, "this is cached")[0].usage_metadata.cached_content_token_count == 8


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-gemini", "on-openai", "on-anthropic"])
def test_a_refusal_is_a_filtered_answer(client, model, stream):
    chunks = asked(client, model, "refuse", stream=stream)
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.SAFETY


@pytest.mark.parametrize("model", MODELS)
def test_count_tokens(client, model):
    few = client.models.count_tokens(model=model, contents="hello").total_tokens
    many = client.models.count_tokens(model=model, contents="hello " * 100).total_tokens
    assert 0 < few < 40
    assert 90 < many < 250


def test_the_models_of_this_caller(client):
    names = [model.name for model in client.models.list()]
    assert names == [f"models/{name}" for name in ["embed-gemini", "embed-openai", *MODELS, "team/any"]]
    one = client.models.get(model="on-gemini")
    assert "generateContent" in one.supported_actions
    with pytest.raises(errors.ClientError) as missing:
        client.models.get(model="hidden")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


def test_errors_carry_googles_codes(scene, client):
    with pytest.raises(errors.ClientError) as unknown:
        asked(client, "nope", "x")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError) as field:
        asked(client, "on-openai", "x", top_k=5)
    assert (field.value.code, field.value.status) == (400, "INVALID_ARGUMENT")
    assert field.value.details["error"]["details"][1]["fieldViolations"][0]["field"] == "generationConfig.topK"
    with (
        genai.Client(api_key="wrong", http_options=types.HttpOptions(base_url=scene.platform.url)) as stranger,
        pytest.raises(errors.ClientError) as denied,
    ):
        asked(stranger, "on-gemini", "x")
    assert (denied.value.code, denied.value.status) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(("status", "code"), [(400, 400), (429, 503), (500, 503), (503, 503)])
def test_the_vendors_errors(scene, client, status, code):
    scene.gemini.fault = Fault("status", status=status, retry_after="7")
    with pytest.raises(errors.APIError) as failed:
        asked(client, "on-gemini", "x")
    assert failed.value.code == code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("safety_settings", [types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_LOW_AND_ABOVE")]),
        ("cached_content", "cachedContents/1"),
    ],
)
def test_what_another_vendor_cannot_express_is_named(client, field, value):
    with pytest.raises(errors.ClientError) as refused:
        asked(client, "on-anthropic", "x", **{field: value})
    assert refused.value.code == 400
    assert field.split("_")[0] in refused.value.message


def test_unknown_fields_pass_to_the_same_vendor_and_a_cap_is_set(scene, client):
    extra = {"generationConfig": {"enableEnhancedCivicAnswers": True}}
    asked(client, "on-gemini", "x", temperature=0.25, http_options=types.HttpOptions(extra_body=extra))
    path, _, body = scene.gemini.seen[-1]
    assert path == "/v1beta/models/gemini-3-flash:generateContent"
    assert body["generationConfig"].pop("maxOutputTokens") > 0
    assert body["generationConfig"] == {"temperature": 0.25, "enableEnhancedCivicAnswers": True}


@pytest.mark.parametrize("kind", ["cut_after", "end_after", "stall_after", "error_after"])
@pytest.mark.parametrize("model", ["on-gemini", "on-openai", "on-anthropic"])
def test_a_stream_cut_short_is_an_error_for_the_client(scene, client, model, kind):
    vendor = scene.vendor(model)
    vendor.fault, vendor.delay_s = Fault(kind, at=5), 0.02  # what comes in one read with an error would be lost with it
    seen = []
    stream = client.models.generate_content_stream(model=model, contents="one two three four five six")
    with pytest.raises(errors.ServerError) as cut:
        seen.extend(stream)
    assert cut.value.code in {503, 504}
    assert seen
    assert all(chunk.candidates[0].finish_reason is None for chunk in seen)


def test_without_events_the_stream_is_one_array(scene):
    url = scene.platform.url + "/v1beta/models/{}:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "hello there"}]}]}
    for model in ("on-gemini", "on-openai"):
        reply = httpx.post(url.format(model), json=body, headers={"x-goog-api-key": KEY})
        assert reply.headers["content-type"].startswith("application/json")
        chunks = reply.json()
        assert "".join(c["candidates"][0]["content"]["parts"][0]["text"] for c in chunks) == "You said: hello there"
        assert chunks[-1]["ninefold"]["cost_usd"] > 0
        scene.vendor(model).fault = Fault("cut_after", at=3)
        broken = httpx.post(url.format(model), json=body, headers={"x-goog-api-key": KEY}).json()
        assert broken[-1]["error"]["status"] == "UNAVAILABLE"
        assert not any("finishReason" in c["candidates"][0] for c in broken[:-1])
        scene.vendor(model).fault = None


def test_the_cost_stands_in_the_whole_answer_and_in_the_last_chunk(scene):
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    headers = {"x-goog-api-key": KEY}
    whole = httpx.post(scene.platform.url + "/v1beta/models/on-gemini:generateContent", json=body, headers=headers)
    assert whole.json()["ninefold"]["deployment"] == "gem"
    assert float(whole.headers["x-ninefold-cost-usd"]) > 0
    streamed = httpx.post(scene.platform.url + "/v1beta/models/on-gemini:streamGenerateContent?alt=sse", json=body, headers=headers)
    assert "ninefold" in json.loads(streamed.text.strip().rsplit("data: ", 1)[1])


def test_a_model_with_a_slash_fails_over_to_another_vendor(scene, client):
    scene.gemini.fault = Fault("status", status=503)
    assert text(asked(client, "team/any", "hello", stream=True)) == "You said: hello"
    assert len(scene.openai.seen) == 1


@pytest.mark.parametrize("model", ["embed-gemini", "embed-openai"])
def test_embeddings_for_google_and_openai_clients(scene, client, model):
    found = client.models.embed_content(model=model, contents=["four", "seventy"])
    assert [e.values for e in found.embeddings] == [[4.0, 0.5, -0.25], [7.0, 0.5, -0.25]]
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0) as other:
        same = other.embeddings.create(model=model, input=["four", "seventy"])
    assert [e.embedding for e in same.data] == [[4.0, 0.5, -0.25], [7.0, 0.5, -0.25]]
    assert same.usage.prompt_tokens > 0
    assert same.model == model
    single = scene.platform.get(
        f"/v1beta/models/{model}:embedContent", key=KEY, method="POST", body={"content": {"parts": [{"text": "four"}]}}
    )
    assert single[2]["embedding"]["values"] == [4.0, 0.5, -0.25]


def test_what_embeddings_elsewhere_cannot_express_is_named(client):
    typed = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=2)
    assert client.models.embed_content(model="embed-gemini", contents="x", config=typed).embeddings[0].values == [1.0, 0.5]
    with pytest.raises(errors.ClientError) as refused:
        client.models.embed_content(model="embed-openai", contents="x", config=typed)
    assert "requests[0].taskType" in refused.value.message


OPENAI_TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("weather", "clock")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-gemini", "on-gemini-2"])
def test_an_openai_client_calls_tools_on_gemini(scene, model, stream):
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0) as client:
        turns = [{"role": "user", "content": TWO_CALLS}]
        if stream:
            with client.chat.completions.stream(model=model, messages=turns, tools=OPENAI_TOOLS) as events:
                for _ in events:
                    pass
                choice = events.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(model=model, messages=turns, tools=OPENAI_TOOLS).choices[0]
        assert choice.finish_reason == "tool_calls"
        calls = choice.message.tool_calls
        assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == CALLED
        echoed = [{"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]
        turns.append({"role": "assistant", "content": None, "tool_calls": echoed})
        turns += [{"role": "tool", "tool_call_id": c.id, "content": f"result of {c.function.name}"} for c in calls]
        answer = client.chat.completions.create(model=model, messages=turns, tools=OPENAI_TOOLS)
        assert "result of clock" in answer.choices[0].message.content
        signed = [part.get("thoughtSignature") for part in scene.gemini.seen[-1][2]["contents"][1]["parts"]]
        assert signed == (["c2lnbmVkIGJ5IGdlbWluaSD//vo=", None] if model == "on-gemini" else [None, None])
        for other in ("on-openai", "on-anthropic"):
            moved = client.chat.completions.create(model=other, messages=turns, tools=OPENAI_TOOLS)
            assert "result of clock" in moved.choices[0].message.content
        sent = scene.openai.seen[-1][2]["messages"]
        assert all(len(call["id"]) <= 40 for call in sent[1]["tool_calls"])  # the vendor's own limit


@pytest.mark.parametrize("stream", [False, True])
def test_an_anthropic_client_calls_tools_on_gemini(scene, stream):
    tools = [{"name": name, "input_schema": SCHEMA} for name in ("weather", "clock")]
    with anthropic.Anthropic(base_url=scene.platform.url, api_key=KEY, max_retries=0) as client:
        arguments = {"model": "on-gemini", "max_tokens": 500, "messages": [{"role": "user", "content": TWO_CALLS}], "tools": tools}
        if stream:
            with client.messages.stream(**arguments) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(**arguments)
        assert answer.stop_reason == "tool_use"
        assert [(b.name, b.input) for b in answer.content] == CALLED
        blocks = [b.model_dump(include={"type", "id", "name", "input"}) for b in answer.content]
        results = [{"type": "tool_result", "tool_use_id": b.id, "content": f"result of {b.name}"} for b in answer.content]
        turns = [*arguments["messages"], {"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
        for model in ("on-gemini", "on-openai", "on-anthropic"):
            again = client.messages.create(model=model, max_tokens=500, messages=turns, tools=tools)
            assert "result of clock" in again.content[-1].text


def test_other_clients_think_count_and_are_refused_by_field_name(scene):
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="on-gemini", messages=[{"role": "user", "content": "think deep"}], reasoning_effort="low"
        )
        assert answer.choices[0].message.reasoning_content == "deep"
        assert answer.usage.completion_tokens == 3
        assert answer.usage.completion_tokens_details.reasoning_tokens == 1
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(
                model="on-gemini", messages=[{"role": "user", "content": "x"}], tools=OPENAI_TOOLS, parallel_tool_calls=False
            )
        assert refused.value.param == "parallel_tool_calls"
    with anthropic.Anthropic(base_url=scene.platform.url, api_key=KEY, max_retries=0) as client:
        assert 0 < client.messages.count_tokens(model="on-gemini", messages=[{"role": "user", "content": "hello"}]).input_tokens < 40
