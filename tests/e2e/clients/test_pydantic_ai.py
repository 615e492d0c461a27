"""`pydantic-ai` over a real socket, through every protocol it speaks, on every vendor."""

from __future__ import annotations

import base64
import json

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ThinkingPart, ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.compat.landscape import KEY, POOR_KEY
from tests.e2e.clients.tasks import CALLED, MODELS, PNG, SHOWS_THOUGHTS, TWO_CALLS
from tests.e2e.clients.test_langchain_openai import has_sent
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # each protocol against every vendor: minutes, and CI runs them
PROTOCOLS = {
    "chat": lambda world, model, key: OpenAIChatModel(model, provider=OpenAIProvider(base_url=world.url + "/v1", api_key=key)),
    "responses": lambda world, model, key: OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=world.url + "/v1", api_key=key)),
    "anthropic": lambda world, model, key: AnthropicModel(model, provider=AnthropicProvider(base_url=world.url, api_key=key)),
    "google": lambda world, model, key: GoogleModel(model, provider=GoogleProvider(base_url=world.url, api_key=key)),
}
by_all = pytest.mark.parametrize("protocol", PROTOCOLS)
on_all = pytest.mark.parametrize("model", MODELS)


class Answer(BaseModel):
    a: int


# Kept for good: their connections would be closed by the garbage collector, in the middle of somebody else's test.
made_models = {}


def agent(world, protocol, model, *, key=KEY, tools=False, **more):
    asked = (world.url, protocol, model, key)
    if asked not in made_models:
        made_models[asked] = PROTOCOLS[protocol](world, model, key)
    made = Agent(made_models[asked], retries=0, **more)
    if tools:

        @made.tool_plain
        def weather(city: str) -> str:
            return f"result of weather in {city}"

        @made.tool_plain
        def clock(city: str) -> str:
            return f"result of clock in {city}"

    return made


def run(world, loop, protocol, model, asked, *, settings=None, **more):
    """The result of one run."""

    async def once():
        return await agent(world, protocol, model, **more).run(asked, model_settings=settings)

    return loop.run(once())


@by_all
@on_all
def test_an_answer(world, loop, protocol, model):
    result = run(world, loop, protocol, model, "hello there", instructions="Be brief.")
    assert result.output == "You said: hello there"
    assert result.usage.output_tokens == 4
    assert result.all_messages()[-1].finish_reason == "stop"
    assert has_sent(world, model, "Be brief.")


@by_all
@on_all
def test_a_stream(world, loop, protocol, model):
    async def once():
        async with agent(world, protocol, model).run_stream("hello there") as stream:
            pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
        return pieces, stream.usage

    pieces, usage = loop.run(once())
    assert "".join(pieces) == "You said: hello there"
    assert len(pieces) > 1
    assert usage.output_tokens == 4


@by_all
@on_all
@pytest.mark.parametrize("stream", [False, True])
def test_tools_run_and_their_results_go_back(world, loop, protocol, model, stream):
    async def streamed():
        async with agent(world, protocol, model, tools=True).run_stream(TWO_CALLS) as result:
            return await result.get_output(), result.all_messages()

    if stream:
        output, messages = loop.run(streamed())
    else:
        result = run(world, loop, protocol, model, TWO_CALLS, tools=True)
        output, messages = result.output, result.all_messages()
    called = [part for message in messages for part in message.parts if isinstance(part, ToolCallPart)]
    assert [(part.tool_name, part.args_as_dict()) for part in called] == CALLED
    assert "result of clock in Oslo" in output
    returned = json.dumps(world.sent(model), ensure_ascii=False)
    assert "result of weather in K" in returned
    assert "result of clock in Oslo" in returned


@by_all
@on_all
def test_structured_output(world, loop, protocol, model):
    # The forced tool fills in the numbers of the text.
    assert run(world, loop, protocol, model, "It is 7", output_type=ToolOutput(Answer)).output == Answer(a=7)
    if protocol != "anthropic":  # there the client itself refuses a schema, to models whose names it does not know
        assert run(world, loop, protocol, model, 'json {"a": 1}', output_type=NativeOutput(Answer)).output == Answer(a=1)


@by_all
@on_all
def test_an_image(world, loop, protocol, model):
    run(world, loop, protocol, model, ["what is this", BinaryContent(PNG, media_type="image/png")])
    data = base64.b64encode(PNG).decode()
    # Google's client writes base64 in its other alphabet, which only Google reads.
    own = {"google": base64.urlsafe_b64encode(PNG).decode()} if model == "on-gemini" else {}
    assert has_sent(world, model, own.get(protocol, data))


THINKING = {
    "chat": {"openai_reasoning_effort": "low"},
    "responses": {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto"},
    "anthropic": {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
    "google": {"google_thinking_config": {"include_thoughts": True, "thinking_budget": 1024}},
}


@by_all
@pytest.mark.parametrize("model", SHOWS_THOUGHTS)
def test_thinking_comes_through(world, loop, protocol, model):
    result = run(world, loop, protocol, model, "think deep thoughts", settings=THINKING[protocol])
    thoughts = [part.content for part in result.all_messages()[-1].parts if isinstance(part, ThinkingPart)]
    assert "".join(thoughts).replace(" ", "") == "deepthoughts"
    assert result.output == "Done."


@by_all
@on_all
def test_cached_tokens(world, loop, protocol, model):
    assert run(world, loop, protocol, model, "this is cached").usage.cache_read_tokens == 8


@by_all
def test_errors_are_typed(world, loop, protocol):
    cases = [
        ("on-openai", "wrong", 401),
        ("nothing", KEY, 404),
        ("on-openai", POOR_KEY, 429),
    ]
    for model, key, status in cases:
        with pytest.raises(ModelHTTPError) as refused:
            run(world, loop, protocol, model, "x", key=key)
        assert refused.value.status_code == status
    if protocol != "responses":
        with pytest.raises(ModelHTTPError) as refused:
            run(world, loop, protocol, "on-anthropic" if protocol != "anthropic" else "on-openai", "x", settings={"seed": 7, "top_k": 3})
        assert refused.value.status_code == 400
        assert ("top_k" if protocol == "anthropic" else "seed") in str(refused.value.body)


@by_all
@on_all
def test_a_cut_stream_raises(world, loop, protocol, model):
    vendor = world.vendors[model.removeprefix("on-")]
    vendor.delay_s, vendor.fault = 0.02, Fault("cut_after", at=6)
    seen = []

    async def once():
        async with agent(world, protocol, model).run_stream("one two three four five six seven eight") as stream:
            async for piece in stream.stream_text(delta=True, debounce_by=None):
                seen.append(piece)

    with pytest.raises(Exception) as cut:
        loop.run(once())
    assert isinstance(cut.value, ModelAPIError) or type(cut.value).__module__.partition(".")[0] in {"openai", "anthropic", "google"}
    assert seen
