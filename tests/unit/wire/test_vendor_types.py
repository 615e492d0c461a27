"""What is written has the vendors' own types: their SDKs' generated models are the documentation."""

from __future__ import annotations

import json

import pytest
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsBase
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import TypeAdapter

from ninefold.domain.embedding import EmbeddingResult
from ninefold.wire.anthropic import models as anthropic_models
from ninefold.wire.anthropic.messages import request as anthropic_request
from ninefold.wire.anthropic.messages import response as anthropic_response
from ninefold.wire.anthropic.messages import stream as anthropic_stream
from ninefold.wire.openai import models as openai_models
from ninefold.wire.openai.chat import request as openai_request
from ninefold.wire.openai.chat import response as openai_response
from ninefold.wire.openai.chat import stream as openai_stream
from ninefold.wire.openai.embeddings import response as embeddings
from ninefold.wire.sse import EventReader

from .answers import deltas, relaxed, results, written
from .conversations import requests

events = TypeAdapter(RawMessageStreamEvent)
messages = TypeAdapter(MessageCreateParamsBase)
completions = TypeAdapter(CompletionCreateParamsBase)


def walk(value: object) -> None:
    """Iterables in the SDKs' types are checked as they are read."""
    if isinstance(value, dict):
        [walk(one) for one in value.values()]
    elif not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        [walk(one) for one in value]


def spelt_out(value: object) -> object:
    """The request with each string of content as the text part it stands for: the lazy check takes a string for an array."""
    if isinstance(value, list):
        return [spelt_out(one) for one in value]
    if not isinstance(value, dict) or "properties" in value:
        return value
    if "content" in value and isinstance(value["content"], str) and ("role" in value or value.get("type") == "tool_result"):
        value = {**value, "content": [{"type": "text", "text": value["content"]}]}
    return {k: v if k in {"input", "parameters", "input_schema", "schema"} else spelt_out(v) for k, v in value.items()}


@relaxed
@given(request=requests())
def test_requests(request):
    body = openai_request.encode(request, model="m", max_output_tokens=9, stream=request.stream)
    walk(completions.validate_python(spelt_out(json.loads(body))))
    body = anthropic_request.encode(request, model="m", max_output_tokens=9, stream=request.stream)
    walk(messages.validate_python(spelt_out(json.loads(body))))


def test_the_check_of_requests_can_fail():
    with pytest.raises(ValueError):
        walk(messages.validate_json(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_use","id":3}]}]}'))


@relaxed
@given(result=results())
def test_answers(result):
    completion = ChatCompletion.model_validate_json(openai_response.encode(result, model="m", result_id="r", created=1))
    assert completion.usage.prompt_tokens_details.cached_tokens == result.usage.cached_input_tokens
    message = Message.model_validate_json(anthropic_response.encode(result, model="m", result_id="r", created=1))
    usage = message.usage
    assert usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens == result.usage.input_tokens


@relaxed
@given(data=st.data(), result=results(), interleave=st.booleans())
def test_streams(data, result, interleave):
    found = deltas(data.draw, result, interleave=interleave)
    encoder = openai_stream.Encoder(model="m", result_id="r", created=1, include_usage=True)
    *chunks, done = EventReader().feed(written(encoder, found))
    assert done == ("", b"[DONE]")
    for _, payload in chunks:
        ChatCompletionChunk.model_validate_json(payload)
    for name, payload in EventReader().feed(written(anthropic_stream.Encoder(model="m", result_id="r", created=1, input_tokens=1), found)):
        assert events.validate_json(payload).type == name


def test_lists():
    for entry in json.loads(openai_models.encode_list([("a", 1)]))["data"]:
        Model.model_validate(entry)
    for entry in json.loads(anthropic_models.encode_list([("a", 1)]))["data"]:
        ModelInfo.model_validate(entry)
    CreateEmbeddingResponse.model_validate_json(
        embeddings.encode(EmbeddingResult(model="m", vectors=((1.0,),)), model="m", encoding="float")
    )
