"""`langchain-anthropic` over a real socket, on every vendor."""

from __future__ import annotations

import base64

import anthropic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from tests.compat.landscape import KEY, POOR_KEY
from tests.e2e.clients.tasks import CALLED, MODELS, PNG, SHOWS_THOUGHTS, TWO_CALLS
from tests.e2e.clients.test_langchain_openai import Answer, clock, has_sent, weather
from tests.vendors.script import Fault

# LangChain leaves the closing of its clients' connections to the garbage collector.
pytestmark = [
    pytest.mark.slow,  # each client against every vendor: minutes, and CI runs them
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
on_all = pytest.mark.parametrize("model", MODELS)


def chat(world, model, *, key=KEY, **more):
    return ChatAnthropic(**({"model": model, "base_url": world.url, "api_key": key, "max_retries": 0, "max_tokens": 2000} | more))


@on_all
def test_an_answer_and_its_stream(world, model):
    asked = [SystemMessage("Be brief."), HumanMessage("hello there")]
    answer = chat(world, model).invoke(asked)
    assert answer.text == "You said: hello there"
    assert answer.usage_metadata["output_tokens"] == 4
    assert answer.response_metadata["stop_reason"] == "end_turn"
    assert has_sent(world, model, "Be brief.")
    whole = None
    for chunk in chat(world, model).stream(asked):
        whole = chunk if whole is None else whole + chunk
    assert whole.text == "You said: hello there"
    assert whole.usage_metadata["output_tokens"] == 4
    assert whole.response_metadata["stop_reason"] == "end_turn"


@on_all
def test_the_async_client(world, loop, model):
    async def run():
        made = chat(world, model)
        answer = await made.ainvoke("hello")
        pieces = [chunk.text async for chunk in made.astream("hello")]
        return answer.text, "".join(pieces)

    assert loop.run(run()) == ("You said: hello",) * 2


@on_all
@pytest.mark.parametrize("stream", [False, True])
def test_tools_run_and_their_results_go_back(world, model, stream):
    bound = chat(world, model).bind_tools([weather, clock])
    if stream:
        first = None
        for chunk in bound.stream(TWO_CALLS):
            first = chunk if first is None else first + chunk
    else:
        first = bound.invoke(TWO_CALLS)
    assert [(call["name"], call["args"]) for call in first.tool_calls] == CALLED
    assert first.response_metadata["stop_reason"] == "tool_use"
    results = [{"weather": weather, "clock": clock}[call["name"]].invoke(call) for call in first.tool_calls]
    answer = bound.invoke([HumanMessage(TWO_CALLS), AIMessage(**first.model_dump(exclude={"type"})), *results])
    assert "result of clock in Oslo" in answer.text


@on_all
def test_a_tool_is_forced(world, model):
    for choice, name in (("clock", "clock"), ("any", "weather")):
        answer = chat(world, model).bind_tools([weather, clock], tool_choice=choice).invoke("the weather in 'Oslo'")
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [(name, {"city": "Oslo"})]


@on_all
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output(world, model, method):
    # A forced tool fills in the numbers of the text; a schema's answer is what the text says.
    made = chat(world, model).with_structured_output(Answer, method=method)
    assert made.invoke('json {"a": 1}' if method == "json_schema" else "It is 1") == Answer(a=1)


@on_all
def test_an_image_and_a_file(world, model):
    data = base64.b64encode(PNG).decode()
    pdf = base64.b64encode(b"%PDF-1.7").decode()
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}},
    ]
    chat(world, model).invoke([HumanMessage(parts)])
    assert has_sent(world, model, data)
    assert has_sent(world, model, pdf)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", SHOWS_THOUGHTS)
def test_thinking_comes_through_and_goes_back(world, model, stream):
    made = chat(world, model, thinking={"type": "enabled", "budget_tokens": 1024})
    if stream:
        answer = None
        for chunk in made.stream("think deep thoughts"):
            answer = chunk if answer is None else answer + chunk
    else:
        answer = made.invoke("think deep thoughts")
    (thought,) = [block for block in answer.content_blocks if block["type"] == "reasoning"]
    assert thought["reasoning"].replace(" ", "") == "deepthoughts"
    assert answer.text == "Done."
    again = made.invoke([HumanMessage("think deep thoughts"), AIMessage(answer.content), HumanMessage("go on")])
    assert again.text == "You said: go on"


@on_all
def test_length_stop_sequences_and_cached_tokens(world, model):
    answer = chat(world, model, max_tokens=7).invoke("long 50")
    assert (answer.response_metadata["stop_reason"], answer.usage_metadata["output_tokens"]) == ("max_tokens", 7)
    answer = chat(world, model).invoke("one END two", stop=["END"])
    assert answer.text.strip() == "You said: one"
    answer = chat(world, model).invoke("this is cached")
    assert answer.usage_metadata["input_token_details"]["cache_read"] == 8


@on_all
def test_tokens_are_counted(world, model):
    few, many = (chat(world, model).get_num_tokens_from_messages([HumanMessage("hello " * times)]) for times in (1, 100))
    assert few < 30
    assert 90 < many < 250


def test_errors_are_typed(world):
    with pytest.raises(anthropic.AuthenticationError):
        chat(world, "on-anthropic", key="wrong").invoke("x")
    with pytest.raises(anthropic.NotFoundError):
        chat(world, "nothing").invoke("x")
    with pytest.raises(anthropic.RateLimitError):
        chat(world, "on-anthropic", key=POOR_KEY).invoke("x")
    with pytest.raises(anthropic.BadRequestError, match="top_k"):
        chat(world, "on-openai", top_k=3).invoke("x")


@on_all
def test_a_cut_stream_raises(world, model):
    vendor = world.vendors[model.removeprefix("on-")]
    vendor.delay_s, vendor.fault = 0.02, Fault("cut_after", at=6)
    seen = []
    with pytest.raises(anthropic.APIError):
        seen.extend(chat(world, model).stream("one two three four five six seven eight"))
    assert seen
