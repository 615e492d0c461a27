"""`langchain-openai` over a real socket, through both of OpenAI's protocols, on every vendor."""

from __future__ import annotations

import base64

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from tests.compat.features import Told, reached
from tests.compat.landscape import KEY, POOR_KEY
from tests.compat.wish import Heard
from tests.e2e.clients.tasks import CALLED, MODELS, PNG, SHOWS_THOUGHTS, TWO_CALLS
from tests.vendors.script import Fault

# LangChain leaves the closing of its clients' connections to the garbage collector.
pytestmark = [
    pytest.mark.slow,  # each client against every vendor: minutes, and CI runs them
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
both = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
on_all = pytest.mark.parametrize("model", MODELS)


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"result of weather in {city}"


@tool
def clock(city: str) -> str:
    """Tells the time."""
    return f"result of clock in {city}"


class Answer(BaseModel):
    """An answer."""

    a: int


def chat(world, model, *, responses=False, key=KEY, **more):
    return ChatOpenAI(
        model=model, base_url=world.url + "/v1", api_key=key, max_retries=0, use_responses_api=responses, stream_usage=True, **more
    )


def has_sent(world, model, wanted):
    return reached(Told(heard=Heard(), sent=world.sent(model), vendor=""), wanted)


@both
@on_all
def test_an_answer_and_its_stream(world, model, responses):
    asked = [SystemMessage("Be brief."), HumanMessage("hello there")]
    answer = chat(world, model, responses=responses).invoke(asked)
    assert answer.text == "You said: hello there"
    assert answer.usage_metadata["output_tokens"] == 4
    assert answer.response_metadata["model_name"] == model
    assert has_sent(world, model, "Be brief.")
    whole = None
    for chunk in chat(world, model, responses=responses).stream(asked):
        whole = chunk if whole is None else whole + chunk
    assert whole.text == "You said: hello there"
    assert whole.usage_metadata == answer.usage_metadata
    if not responses:
        assert whole.response_metadata["finish_reason"] == answer.response_metadata["finish_reason"] == "stop"


@both
@on_all
def test_the_async_client(world, loop, model, responses):
    async def run():
        made = chat(world, model, responses=responses)
        answer = await made.ainvoke("hello")
        pieces = [chunk.text async for chunk in made.astream("hello")]
        return answer.text, "".join(pieces)

    assert loop.run(run()) == ("You said: hello",) * 2


@both
@on_all
@pytest.mark.parametrize("stream", [False, True])
def test_tools_run_and_their_results_go_back(world, model, responses, stream):
    bound = chat(world, model, responses=responses).bind_tools([weather, clock])
    if stream:
        first = None
        for chunk in bound.stream(TWO_CALLS):
            first = chunk if first is None else first + chunk
    else:
        first = bound.invoke(TWO_CALLS)
    assert [(call["name"], call["args"]) for call in first.tool_calls] == CALLED
    assert len({call["id"] for call in first.tool_calls}) == 2
    results = [{"weather": weather, "clock": clock}[call["name"]].invoke(call) for call in first.tool_calls]
    assert all(isinstance(each, ToolMessage) for each in results)
    answer = bound.invoke([HumanMessage(TWO_CALLS), AIMessage(**first.model_dump(exclude={"type"})), *results])
    assert "result of clock in Oslo" in answer.text
    assert not answer.tool_calls


@both
@on_all
def test_a_tool_is_forced(world, model, responses):
    answer = chat(world, model, responses=responses).bind_tools([weather, clock], tool_choice="clock").invoke("It is 'Oslo'")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("clock", {"city": "Oslo"})]
    answer = (
        chat(world, model, responses=responses).bind_tools([weather, clock], tool_choice="any").invoke("I ask for the weather in 'Oslo'")
    )
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "Oslo"})]


@both
@on_all
def test_structured_output(world, model, responses):
    assert chat(world, model, responses=responses).with_structured_output(Answer).invoke('json {"a": 1}') == Answer(a=1)
    schema = {"title": "answer", "description": "An answer.", **Answer.model_json_schema()}
    assert chat(world, model, responses=responses).with_structured_output(schema).invoke('json {"a": 2}') == {"a": 2}
    assert has_sent(world, model, {"title": "A", "type": "integer"})


@both
@on_all
def test_an_image(world, model, responses):
    data = base64.b64encode(PNG).decode()
    parts = [{"type": "text", "text": "what is this"}, {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": data}]
    chat(world, model, responses=responses).invoke([HumanMessage(parts)])
    assert has_sent(world, model, data)


@pytest.mark.parametrize("model", SHOWS_THOUGHTS)
def test_reasoning_in_the_responses_protocol(world, model):
    answer = chat(world, model, responses=True, reasoning={"effort": "low", "summary": "auto"}).invoke("think deep thoughts")
    (thought,) = [block for block in answer.content_blocks if block["type"] == "reasoning"]
    assert thought["reasoning"].replace(" ", "") == "deepthoughts"
    assert answer.text == "Done."


@on_all
def test_length_and_cached_tokens(world, model):
    capped = {"extra_body": {"max_tokens": 7}} if model == "on-compatible" else {"max_completion_tokens": 7}
    answer = chat(world, model, **capped).invoke("long 50")
    assert (answer.response_metadata["finish_reason"], answer.usage_metadata["output_tokens"]) == ("length", 7)
    assert chat(world, model).invoke("this is cached").usage_metadata["input_token_details"]["cache_read"] == 8
    answer = chat(world, model, responses=True, max_tokens=7).invoke("long 50")
    assert answer.response_metadata["incomplete_details"]["reason"] == "max_output_tokens"
    assert chat(world, model, responses=True).invoke("this is cached").usage_metadata["input_token_details"]["cache_read"] == 8


@both
def test_errors_are_typed(world, responses):
    with pytest.raises(openai.AuthenticationError):
        chat(world, "on-openai", responses=responses, key="wrong").invoke("x")
    with pytest.raises(openai.NotFoundError):
        chat(world, "nothing", responses=responses).invoke("x")
    with pytest.raises(openai.RateLimitError) as refused:
        chat(world, "on-openai", responses=responses, key=POOR_KEY).invoke("x")
    assert refused.value.code == "budget_exceeded"
    with pytest.raises(openai.BadRequestError) as refused:
        chat(world, "on-anthropic", responses=responses, extra_body={"top_logprobs": 3}).invoke("x")
    assert (refused.value.code, refused.value.param) == ("unsupported", "top_logprobs")


@both
@on_all
def test_a_cut_stream_raises(world, model, responses):
    vendor = world.vendors[model.removeprefix("on-")]
    vendor.delay_s, vendor.fault = 0.02, Fault("cut_after", at=6)
    seen = []
    with pytest.raises(openai.APIError):
        seen.extend(chat(world, model, responses=responses).stream("one two three four five six seven eight"))
    assert seen


def test_embeddings(world, loop):
    made = OpenAIEmbeddings(model="local/embed", base_url=world.url + "/v1", api_key=KEY, max_retries=0, check_embedding_ctx_length=False)
    cat, kitten, tax = made.embed_documents(["a cat", "a kitten", "tax law"])
    assert len(cat) == 384
    near, far = (sum(x * y for x, y in zip(cat, other, strict=True)) for other in (kitten, tax))
    assert near > far + 0.2
    assert loop.run(made.aembed_query("a cat")) == pytest.approx(cat, abs=1e-5)
