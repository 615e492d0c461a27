"""The real `openai` client on the Responses API, on every vendor."""

from __future__ import annotations

import json

import openai
import pydantic
import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

MODELS = ["on-openai", "on-legacy", "on-anthropic"]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOLS = [
    {"type": "function", "name": name, "description": "A tool.", "parameters": PARAMETERS, "strict": True} for name in ("weather", "clock")
]
TWO_CALLS = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}'
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def client(scene):
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


def vendor_of(scene, model):
    return {"on-openai": scene.openai, "on-legacy": scene.legacy, "on-anthropic": scene.anthropic}[model]


@pytest.mark.parametrize("model", MODELS)
def test_text(client, model):
    answer = client.responses.create(model=model, input="hello", instructions="Be brief.", metadata={"product": "search", "note": "x"})
    assert answer.output_text == "You said: hello"
    assert (answer.status, answer.model, answer.object, answer.instructions) == ("completed", model, "response", "Be brief.")
    assert answer.id.startswith("resp_nf_")
    assert answer.usage.output_tokens == 3
    assert answer.usage.total_tokens == answer.usage.input_tokens + 3
    assert answer.usage.input_tokens_details.cached_tokens == 0
    assert answer.metadata == {"product": "search", "note": "x"}
    extra = answer.model_extra["ninefold"]
    assert extra["cost_usd"] > 0
    assert len(extra["trace_id"]) == 32


@pytest.mark.parametrize("model", MODELS)
def test_streamed_text_in_the_order_of_the_protocol(client, model):
    events = list(client.responses.create(model=model, input="hello", stream=True))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == last.output_text == "You said: hello"
    assert last.id == events[0].response.id
    assert last.usage.output_tokens == 3
    assert last.model_extra["ninefold"]["cost_usd"] > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_and_their_outputs(scene, client, model, stream):
    asked = {"model": model, "input": TWO_CALLS, "tools": TOOLS}
    if stream:
        with client.responses.stream(**asked) as events:
            first = events.get_final_response()
    else:
        first = client.responses.create(**asked)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [("weather", {"city": 'Köln "am" Rhein'}), ("clock", {"city": "Oslo"})]
    assert first.model_extra["ninefold"]["tool_calls"][0]["schema"] == "valid"
    outputs = [{"type": "function_call_output", "call_id": c.call_id, "output": f"result of {c.name}"} for c in calls]
    second = client.responses.create(model=model, previous_response_id=first.id, input=outputs, tools=TOOLS, tool_choice="none")
    assert "result of clock" in second.output_text
    by_hand = client.responses.create(
        model=model, input=[{"role": "user", "content": TWO_CALLS}, *first.output, *outputs], tools=TOOLS, tool_choice="none"
    )
    assert by_hand.output_text == second.output_text


class Answer(pydantic.BaseModel):
    a: int


@pytest.mark.parametrize("model", MODELS)
def test_schema_output(client, model):
    assert client.responses.parse(model=model, input='json {"a": 1}', text_format=Answer).output_parsed == Answer(a=1)
    with client.responses.stream(model=model, input='json {"a": 2}', text_format=Answer) as events:
        assert events.get_final_response().output_parsed == Answer(a=2)


@pytest.mark.parametrize("model", MODELS)
def test_images_reach_the_vendor(scene, client, model):
    content = [{"type": "input_text", "text": "what is this"}, {"type": "input_image", "image_url": PIXEL, "detail": "auto"}]
    client.responses.create(model=model, input=[{"role": "user", "content": content}])
    sent = vendor_of(scene, model).seen[-1][2]["messages"][0]["content"]
    if model == "on-anthropic":
        assert sent[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    else:
        assert sent[1] == {"type": "image_url", "image_url": {"url": PIXEL}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["on-legacy", "on-anthropic"])
def test_reasoning_comes_through_and_goes_back(scene, client, model, stream):
    asked = {"model": model, "input": "think deep thoughts"}
    if stream:
        events = list(client.responses.create(**asked, stream=True))
        answer = events[-1].response
        said = "".join(e.delta for e in events if e.type == "response.reasoning_summary_text.delta")
        assert said == answer.output[0].summary[0].text
    else:
        answer = client.responses.create(**asked)
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].summary[0].text.replace(" ", "") == "deepthoughts"
    client.responses.create(model=model, input="go on", previous_response_id=answer.id)
    sent = vendor_of(scene, model).seen[-1][2]["messages"][1]
    assert "deep" in json.dumps(sent)
    if model == "on-anthropic":
        assert sent["content"][0]["type"] == "thinking"
        assert sent["content"][0]["signature"]


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_that_was_cut_by_its_cap_is_incomplete(client, model):
    answer = client.responses.create(model=model, input="long 50", max_output_tokens=7)
    assert (answer.status, answer.incomplete_details.reason, answer.usage.output_tokens) == ("incomplete", "max_output_tokens", 7)
    assert answer.output[0].status == "incomplete"
    *_, last = client.responses.create(model=model, input="long 50", max_output_tokens=7, stream=True)
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")
    # It is kept all the same: what was said was said.
    assert client.responses.retrieve(last.response.id).status == "incomplete"


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_goes_on_two_turns_deep(scene, client, model):
    first = client.responses.create(model=model, input="one", instructions="Be brief.")
    *_, second = client.responses.create(model=model, input="two", previous_response_id=first.id, stream=True)
    third = client.responses.create(model=model, input="three", previous_response_id=second.response.id)
    assert third.previous_response_id == second.response.id
    sent = vendor_of(scene, model).seen[-1][2]["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user", "assistant", "user"]
    texts = [m["content"] if isinstance(m["content"], str) else m["content"][0]["text"] for m in sent]
    assert texts == ["one", "You said: one", "two", "You said: two", "three"]


def test_a_conversation_goes_from_one_vendor_to_another(scene, client):
    first = client.responses.create(model="on-anthropic", input=TWO_CALLS, tools=TOOLS)
    outputs = [{"type": "function_call_output", "call_id": c.call_id, "output": c.name} for c in first.output if c.type == "function_call"]
    second = client.responses.create(model="on-openai", input=outputs, previous_response_id=first.id, tools=TOOLS, tool_choice="none")
    third = client.responses.create(model="on-anthropic", input="thanks", previous_response_id=second.id)
    assert third.output_text == "You said: thanks"
    assert [m["role"] for m in scene.openai.seen[-1][2]["messages"]] == ["user", "assistant", "tool", "tool"]


def test_what_is_kept_can_be_read_and_deleted(client):
    made = client.responses.create(model="on-openai", input="one")
    more = client.responses.create(model="on-openai", input=[{"role": "user", "content": "two"}], previous_response_id=made.id)
    assert client.responses.retrieve(more.id).model_dump() == more.model_dump()
    page = client.responses.input_items.list(more.id, order="asc", limit=2)
    assert [item.role for item in page.data] == ["user", "assistant"]
    assert page.has_more
    items = list(client.responses.input_items.list(more.id, limit=1))
    assert [item.role for item in items] == ["user", "assistant", "user"]
    assert len({item.id for item in items}) == 3
    client.responses.delete(made.id)
    for again in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            again(made.id)
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.create(model="on-openai", input="x", previous_response_id=made.id)
    assert refused.value.param == "previous_response_id"
    # What continued from it has everything it needs.
    assert client.responses.create(model="on-openai", input="x", previous_response_id=more.id).status == "completed"


def test_another_tenant_finds_nothing(scene, client):
    made = client.responses.create(model="fast", input="a secret")
    with openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=SECRETS["GLOBEX_KEY"], max_retries=0) as other:
        for verb in (other.responses.retrieve, other.responses.delete, other.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                verb(made.id)
        with pytest.raises(openai.NotFoundError):
            other.responses.create(model="fast", input="tell me", previous_response_id=made.id)
        seen = json.dumps([body for *_, body in scene.openai.seen])
        assert seen.count("a secret") == 1
    assert client.responses.retrieve(made.id).id == made.id


@pytest.mark.parametrize("stream", [False, True])
def test_what_shall_not_be_kept_is_not(client, stream):
    if stream:
        *_, last = client.responses.create(model="on-openai", input="x", store=False, stream=True)
        made = last.response
    else:
        made = client.responses.create(model="on-openai", input="x", store=False)
    assert made.model_extra["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_what_no_vendor_behind_it_can_do_is_refused_by_name(client):
    cases = [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"previous_response_id": "resp_68af"}, "previous_response_id"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"role": "narrator", "content": "x"}]}, "input[0].role"),
    ]
    for members, param in cases:
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(**({"model": "on-anthropic", "input": "x"} | members))
        assert refused.value.param == param


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_that_is_cut_ends_in_an_error_and_is_not_kept(scene, client, model):
    vendor_of(scene, model).fault = Fault(kind="cut_after", at=4, times=1)
    seen = []
    with pytest.raises(openai.APIError) as cut:
        seen.extend(client.responses.create(model=model, input="long 30", stream=True))
    assert cut.value.code == "stream_interrupted"
    assert seen[-1].type == "response.output_text.delta"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(seen[0].response.id)


def test_a_conversation_survives_a_restart(vendors, tmp_path):
    with Platform(tmp_path, vendors.config(), env=SECRETS) as platform:
        with openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=0) as client:
            *_, first = client.responses.create(model="on-openai", input="one", stream=True)
        platform.kill()
        platform.start()
        with openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=0) as client:
            second = client.responses.create(model="on-openai", input="two", previous_response_id=first.response.id)
            assert [item.role for item in client.responses.input_items.list(second.id)] == ["user", "assistant", "user"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_legacy_completions(client, model, stream):
    asked = {"model": model, "prompt": "Say hello", "max_tokens": 50}
    if stream:
        chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        text, last = "".join(c.choices[0].text for c in chunks if c.choices), chunks[-1]
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    else:
        last = client.completions.create(**asked)
        text = last.choices[0].text
        assert last.choices[0].finish_reason == "stop"
    assert text == "You said: Say hello"
    assert (last.model, last.object, last.usage.completion_tokens) == (model, "text_completion", 4)
    assert last.model_extra["ninefold"]["cost_usd"] > 0


def test_legacy_completions_stop_at_sixteen_tokens_unless_told_otherwise(client):
    answer = client.completions.create(model="on-openai", prompt="long 50")
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 16)
    assert len(client.completions.create(model="on-openai", prompt="x", n=2).choices) == 2


def test_legacy_members_that_chat_has_no_word_for_are_refused_by_name(client):
    cases = [
        ({"suffix": "the end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 1}, "logprobs"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
    ]
    for members, param in cases:
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(**({"model": "on-openai", "prompt": "x"} | members))
        assert refused.value.param == param
