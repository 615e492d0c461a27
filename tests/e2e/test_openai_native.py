# ruff: noqa: E501 - the configuration reads best with a deployment a line
"""The real `openai` client on a vendor that has the Responses API and legacy completions itself."""

from __future__ import annotations

import openai
import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai_native import NativeOpenAiVendor
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

CONFIG = """
deployments:
  - {{name: native, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini, operations: [chat, responses, completions], price: {{input_per_million: 0.25, cached_input_per_million: 0.025, output_per_million: 2.00}}}}
  - {{name: ant, provider: anthropic, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1.0, output_per_million: 5.0}}}}
models:
  - {{name: native, route: {{strategy: priority, deployments: [native]}}}}
  - {{name: ant, route: {{strategy: priority, deployments: [ant]}}}}
  - {{name: both, route: {{strategy: priority, deployments: [native, ant]}}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [native, ant, both]
    budgets: [{{limit_usd: 5.00, window: month}}]
"""
TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}]
CALL = 'call weather {"city": "Köln"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with NativeOpenAiVendor() as vendor, AnthropicVendor() as anthropic:
        config = CONFIG.format(openai=vendor.port, anthropic=anthropic.port)
        platform = Platform(tmp_path_factory.mktemp("native"), config, env=SECRETS)
        with platform, openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=0) as client:
            yield vendor, anthropic, client


@pytest.fixture
def native(running):
    vendor, anthropic, client = running
    vendor.fault = anthropic.fault = None
    vendor.delay_s = 0.0
    vendor.seen.clear()
    return vendor, client


@pytest.mark.parametrize("stream", [False, True])
def test_the_body_passes_untouched_but_for_names_and_cap(native, stream):
    vendor, client = native
    asked = {
        "model": "native",
        "input": "hello",
        "tools": [{"type": "web_search"}],
        "safety_identifier": "u1",
        "metadata": {"product": "p", "own": "x"},
    }
    if stream:
        events = list(client.responses.create(**asked, stream=True))
        assert [e.sequence_number for e in events] == list(range(len(events)))
        assert {e.response.model for e in events if hasattr(e, "response")} == {"native"}
        assert len({e.response.id for e in events if hasattr(e, "response")}) == 1
        answer = events[-1].response
    else:
        answer = client.responses.create(**asked)
    path, _, sent = vendor.seen[-1]
    assert path == "/v1/responses"
    expected = asked | {"model": "gpt-5-mini", "max_output_tokens": 8192, "metadata": {"own": "x"}} | ({"stream": True} if stream else {})
    assert sent == expected
    assert (answer.model, answer.output_text, answer.model_extra["billing"]) == ("native", "You said: hello", {"payer": "developer"})
    assert answer.id.startswith("resp_nf_")
    assert answer.usage.output_tokens == 3
    # 2 read, 1 of them cached, 3 written: 250 + 25 + 3 x 2,000 nano-dollars.
    assert answer.model_extra["ninefold"]["cost_usd"] == pytest.approx(6.275e-06)
    assert client.responses.retrieve(answer.id).output_text == answer.output_text


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_is_kept_by_us_and_bound_to_no_vendor(native, stream):
    vendor, client = native
    if stream:
        *_, last = client.responses.create(model="native", input=CALL, tools=TOOLS, stream=True)
        first = last.response
    else:
        first = client.responses.create(model="native", input=CALL, tools=TOOLS)
    assert first.model_extra["ninefold"]["tool_calls"][0]["tool"] == "weather"
    output = [{"type": "function_call_output", "call_id": "call_0", "output": "rain"}]
    second = client.responses.create(model="native", input=output, previous_response_id=first.id, tools=TOOLS)
    assert second.previous_response_id == first.id
    sent = vendor.seen[-1][2]
    assert "previous_response_id" not in sent
    assert sent["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": CALL}]},
        {"type": "function_call", "call_id": "call_0", "name": "weather", "arguments": '{"city": "Köln"}'},
        *output,
    ]
    third = client.responses.create(model="ant", input="bye", previous_response_id=second.id)
    fourth = client.responses.create(model="native", input="again", previous_response_id=third.id)
    assert fourth.output_text == "You said: again"
    assert vendor.seen[-1][2]["input"][-2] == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "You said: bye"}],
    }


def test_reasoning_of_another_vendor_is_not_shown_to_this_one(native):
    vendor, client = native
    first = client.responses.create(model="ant", input="think deep thoughts")
    assert first.output[0].encrypted_content.startswith("nf1.signature.")
    client.responses.create(model="native", input="go on", previous_response_id=first.id)
    assert [item["type"] for item in vendor.seen[-1][2]["input"]] == ["message", "message", "message"]


def test_an_id_that_the_vendor_gave_to_somebody_passes_untouched(native):
    vendor, client = native
    client.responses.create(model="native", input="x", previous_response_id="resp_elsewhere")
    assert vendor.seen[-1][2]["previous_response_id"] == "resp_elsewhere"


@pytest.mark.parametrize("stream", [False, True])
def test_a_vendor_that_is_down_is_replaced_by_one_that_translates(native, stream):
    vendor, client = native
    first = client.responses.create(model="both", input="one")
    vendor.fault = Fault(kind="status", status=500)
    asked = {"model": "both", "input": "two", "previous_response_id": first.id}
    if stream:
        *_, last = client.responses.create(**asked, stream=True)
        second = last.response
    else:
        second = client.responses.create(**asked)
    assert second.output_text == "You said: two"
    assert second.model_extra["ninefold"]["deployment"] == "ant"


@pytest.mark.parametrize(
    ("fault", "code"), [("cut_after", "stream_interrupted"), ("end_after", "stream_interrupted"), ("error_after", "rate_limited")]
)
def test_a_stream_that_breaks_ends_in_an_error_and_is_not_kept(native, fault, code):
    vendor, client = native
    vendor.fault = Fault(kind=fault, at=8, times=1)
    vendor.delay_s = 0.02  # so that the error does not come in one read with the first content, when another attempt is still free
    seen = []
    with pytest.raises(openai.APIError) as cut:
        seen.extend(client.responses.create(model="native", input="long 30", stream=True))
    assert cut.value.code == code
    assert seen[-1].type == "response.output_text.delta"
    assert cut.value.body["message"]
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(seen[0].response.id)


def test_a_cut_answer_is_incomplete(native):
    _, client = native
    *_, last = client.responses.create(model="native", input="long 30", max_output_tokens=5, stream=True)
    assert (last.type, last.response.usage.output_tokens) == ("response.incomplete", 5)


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_completions_pass(native, stream):
    vendor, client = native
    asked = {"model": "native", "prompt": ["Say a", "Say b"], "max_tokens": 9, "logit_bias": {"5": 1}}
    if stream:
        chunks = list(client.completions.create(**asked, stream=True))
        texts = ["".join(c.choices[0].text for c in chunks if c.choices[0].index == n) for n in (0, 1)]
        last = chunks[-1]
        assert vendor.seen[-1][2].pop("stream_options") == {"include_usage": True}
        assert vendor.seen[-1][2].pop("stream")
    else:
        last = client.completions.create(**asked)
        texts = [choice.text for choice in last.choices]
    assert texts == ["You said: Say a", "You said: Say b"]
    assert vendor.seen[-1][0] == "/v1/completions"
    assert vendor.seen[-1][2] == asked | {"model": "gpt-5-mini"}
    assert last.model == "native"
    assert last.model_extra["ninefold"]["cost_usd"] == pytest.approx((5 * 250 + 8 * 2000) / 1e9)


def test_tokens_and_suffixes_pass_to_those_who_have_them(native):
    _, client = native
    assert client.completions.create(model="native", prompt=[1, 2, 3], suffix="!").choices[0].text == "You said: 3 tokens!"
    assert client.completions.create(model="native", prompt="x", max_tokens=0, echo=True).choices[0].text == ""


def test_a_legacy_stream_that_breaks_ends_in_an_error(native):
    vendor, client = native
    vendor.fault = Fault(kind="cut_after", at=3, times=1)
    with pytest.raises(openai.APIError) as cut:
        list(client.completions.create(model="native", prompt="long 9", stream=True))
    assert cut.value.code == "stream_interrupted"
