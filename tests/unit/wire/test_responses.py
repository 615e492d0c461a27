"""Whole answers of both vendors."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninefold.domain.chat import ChatResult, Choice, FinishReason, Reasoning, Refusal, Text, ToolCall
from ninefold.domain.errors import RateLimited, Unavailable, Unsupported, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.anthropic.count_tokens import response as count
from ninefold.wire.anthropic.messages import response as anthropic
from ninefold.wire.anthropic.messages import stream as anthropic_stream
from ninefold.wire.openai.chat import response as openai
from ninefold.wire.openai.chat import stream as openai_stream
from ninefold.wire.openai.embeddings import response as embeddings

from .answers import relaxed, results
from .test_requests import ARGUMENTS, junk

# Source: platform.openai.com/docs/api-reference/chat/create, "Functions".
OPENAI_CALL = b"""{"id": "chatcmpl-abc123", "object": "chat.completion", "created": 1699896916, "model": "gpt-4o-mini",
 "choices": [{"index": 0, "message": {"role": "assistant", "content": null, "refusal": null, "annotations": [],
   "tool_calls": [{"id": "call_abc123", "type": "function",
     "function": {"name": "get_current_weather", "arguments": "{\\n\\"location\\": \\"Boston, MA\\"\\n}"}}]},
   "logprobs": null, "finish_reason": "tool_calls"}],
 "usage": {"prompt_tokens": 82, "completion_tokens": 17, "total_tokens": 99,
   "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
   "completion_tokens_details": {"reasoning_tokens": 5, "accepted_prediction_tokens": 0}}, "service_tier": "default"}"""
# Source: docs.anthropic.com, "Tool use" and "Extended thinking".
ANTHROPIC_CALL = b"""{"id": "msg_01Aq9w938a90dw8q", "model": "claude-sonnet-4-5", "type": "message", "role": "assistant",
 "stop_reason": "tool_use", "stop_sequence": null,
 "content": [{"type": "thinking", "thinking": "The user wants the weather.", "signature": "WaUjzkypQ2mUEVM36O2T"},
   {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
   {"type": "text", "text": "I'll check."},
   {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "get_weather",
    "input": {"location": "San Francisco, CA", "unit": 1.0}}],
 "usage": {"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 1000,
   "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 0},
   "output_tokens": 89, "output_tokens_details": {"thinking_tokens": 30}, "service_tier": "standard"}}"""


def test_a_documented_chat_completion():
    assert openai.decode(OPENAI_CALL) == ChatResult(
        result_id="chatcmpl-abc123",
        model="gpt-4o-mini",
        created=1699896916,
        choices=(
            Choice(
                parts=(ToolCall(call_id="call_abc123", name="get_current_weather", arguments='{\n"location": "Boston, MA"\n}'),),
                finish=FinishReason.TOOL_CALLS,
            ),
        ),
        usage=Usage(input_tokens=82, output_tokens=17, cached_input_tokens=64, reasoning_tokens=5),
    )


def test_a_documented_message():
    assert anthropic.decode(ANTHROPIC_CALL) == ChatResult(
        result_id="msg_01Aq9w938a90dw8q",
        model="claude-sonnet-4-5",
        choices=(
            Choice(
                parts=(
                    Reasoning(text="The user wants the weather.", signature="WaUjzkypQ2mUEVM36O2T"),
                    Reasoning(redacted="EmwKAhgBEgy3va3pzix"),
                    Text(text="I'll check."),
                    ToolCall(
                        call_id="toolu_01A09q90qw90lq917835lq9",
                        name="get_weather",
                        arguments='{"location": "San Francisco, CA", "unit": 1.0}',
                    ),
                ),
                finish=FinishReason.TOOL_CALLS,
            ),
        ),
        usage=Usage(input_tokens=1210, output_tokens=89, cached_input_tokens=1000, cache_write_tokens=200, reasoning_tokens=30),
    )


def test_a_message_as_a_chat_completion():
    found = json.loads(openai.encode(anthropic.decode(ANTHROPIC_CALL), model="fast", result_id="r", created=5))
    [choice] = found.pop("choices")
    assert found == {
        "id": "r",
        "object": "chat.completion",
        "created": 5,
        "model": "fast",
        "usage": {
            "prompt_tokens": 1210,
            "completion_tokens": 89,
            "total_tokens": 1299,
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 200},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
    }
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "I'll check."
    assert choice["message"]["reasoning_content"] == "The user wants the weather."
    assert choice["message"]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "The user wants the weather.", "index": 0, "signature": "WaUjzkypQ2mUEVM36O2T"},
        {"type": "reasoning.encrypted", "data": "EmwKAhgBEgy3va3pzix", "index": 1},
    ]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"location": "San Francisco, CA", "unit": 1.0}'


def test_a_chat_completion_as_a_message():
    assert json.loads(anthropic.encode(openai.decode(OPENAI_CALL), model="fast", result_id="r", created=5)) == {
        "id": "r",
        "type": "message",
        "role": "assistant",
        "model": "fast",
        "content": [{"type": "tool_use", "id": "call_abc123", "name": "get_current_weather", "input": {"location": "Boston, MA"}}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 18,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 64,
            "output_tokens": 17,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


@relaxed
@given(result=results(most_choices=3, created=7))
def test_chat_completions_lose_nothing_of_an_answer(result):
    body = openai.encode(result, model=result.model, result_id=result.result_id, created=result.created)
    assert body.endswith(b"}")
    assert openai.decode(body) == result


@relaxed
@given(result=results())
def test_messages_lose_nothing_of_an_answer(result):
    body = anthropic.encode(result, model=result.model, result_id=result.result_id, created=0)
    assert body.endswith(b"}")
    assert anthropic.decode(body) == result


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_arguments_of_any_text_survive_both_protocols(arguments):
    call = ToolCall(call_id="a", name="f", arguments=arguments)
    result = ChatResult(result_id="", model="", choices=(Choice(parts=(call,), finish=FinishReason.TOOL_CALLS),))
    assert openai.decode(openai.encode(result, model="", result_id="", created=0)) == result
    back = anthropic.decode(anthropic.encode(result, model="", result_id="", created=0))
    assert back.choices[0].parts == (replace(call, arguments=arguments or "{}"),)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        # xAI counts reasoning beside the completion, which only the total tells.
        (
            b'{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}',
            Usage(input_tokens=32, output_tokens=103, reasoning_tokens=94),
        ),
        (
            b'{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":20}}',
            Usage(input_tokens=10, output_tokens=50, reasoning_tokens=20),
        ),
        # DeepSeek's older words.
        (
            b'{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}',
            Usage(input_tokens=10, output_tokens=5, cached_input_tokens=8),
        ),
        (b'{"prompt_tokens":10,"total_tokens":10,"prompt_tokens_details":null}', Usage(input_tokens=10)),
    ],
)
def test_every_token_counts_once(reported, expected):
    body = b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":' + reported + b"}"
    assert openai.decode(body).usage == expected


def answer(**message) -> bytes:
    reason = message.pop("finish_reason", "stop")
    extra = message.pop("extra", {})
    return json.dumps({"choices": [{"message": message, "finish_reason": reason, **extra}]}).encode()


def test_what_compatible_servers_send():
    found = openai.decode(answer(content="x", reasoning="hm", extra={"stop_reason": "END"}))
    assert found.choices[0] == Choice(parts=(Reasoning(text="hm"), Text(text="x")), finish=FinishReason.STOP_SEQUENCE, stop_sequence="END")
    found = openai.decode(answer(tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}], extra={"stop_reason": 128001}))
    assert found.choices[0] == Choice(parts=(ToolCall(call_id="call_0_0", name="f", arguments='{"a": 1}'),), finish=FinishReason.STOP)
    found = openai.decode(answer(function_call={"name": "f", "arguments": "{}"}, finish_reason="function_call"))
    assert found.choices[0].finish is FinishReason.TOOL_CALLS


def test_a_call_that_was_forced_still_ends_in_tool_use():
    found = openai.decode(answer(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}]))
    assert json.loads(anthropic.encode(found, model="m", result_id="r", created=0))["stop_reason"] == "tool_use"


def test_refusals_are_told_in_both_protocols():
    said = openai.decode(answer(content=None, refusal="I cannot."))
    assert said.choices[0].parts == (Refusal(text="I cannot."),)
    message = json.loads(anthropic.encode(said, model="m", result_id="r", created=0))
    assert (message["stop_reason"], message["content"]) == ("refusal", [{"type": "text", "text": "I cannot."}])
    body = b'{"content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":"No."}}'
    choice = json.loads(openai.encode(anthropic.decode(body), model="m", result_id="r", created=0))["choices"][0]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == ("content_filter", "No.")


@pytest.mark.parametrize(
    ("anthropic_word", "openai_word"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
    ],
)
def test_stop_reasons_cross_over(anthropic_word, openai_word):
    body = json.dumps({"content": [], "stop_reason": anthropic_word}).encode()
    assert (
        json.loads(openai.encode(anthropic.decode(body), model="m", result_id="r", created=0))["choices"][0]["finish_reason"] == openai_word
    )


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "content_filter"])
def test_finish_reasons_cross_over_and_back(word):
    message = anthropic.encode(openai.decode(answer(content="x", finish_reason=word)), model="m", result_id="r", created=0)
    assert json.loads(openai.encode(anthropic.decode(message), model="m", result_id="r", created=0))["choices"][0]["finish_reason"] == word


def test_several_answers_are_no_message():
    choice = Choice(parts=(), finish=FinishReason.STOP)
    with pytest.raises(Unsupported) as caught:
        anthropic.encode(ChatResult(result_id="", model="", choices=(choice, choice)), model="", result_id="", created=0)
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[{"message":{"content":"x"}}]}',
        b'{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}',
        b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1}}',
        b'{"choices":[{"message":{"content":"\xff"},"finish_reason":"stop"}]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"{}"}}]},"finish_reason":"stop"}]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":["\xff"]}}]},"finish_reason":"stop"}]}',
    ],
)
def test_what_is_no_chat_completion_is_refused(body):
    with pytest.raises(UpstreamRejected):
        openai.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"{}",
        b'{"content":[],"stop_reason":null}',
        b'{"content":[],"stop_reason":"bored"}',
        b'{"content":[{"type":"server_tool_use","id":"a","name":"web_search","input":{}}],"stop_reason":"end_turn"}',
        b'{"content":[{"type":"tool_use","id":"a","input":{}}],"stop_reason":"tool_use"}',
        b'{"content":[{"type":"tool_use","id":"a","name":"f","input":{"x":"\xff"}}],"stop_reason":"tool_use"}',
    ],
)
def test_what_is_no_message_is_refused(body):
    with pytest.raises(UpstreamRejected):
        anthropic.decode(body)


def test_errors_sent_as_answers_are_errors():
    with pytest.raises(RateLimited):
        openai.decode(b'{"error":{"message":"slow down","type":"rate_limit_error"}}')
    with pytest.raises(Unavailable):
        anthropic.decode(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')


@relaxed
@given(body=st.binary(max_size=50) | junk.map(lambda v: json.dumps(v).encode()), wrap=st.sampled_from(["%s", '{"choices":[{"delta":%s}]}']))
@example(b'{"choices":[{"message":{"content":"\\ud800"},"finish_reason":"stop"}]}', "%s")
@example(b'{"content":[{"type":"text","text":"\\udc00"}],"stop_reason":"end_turn"}', "%s")
@example(b"[" * 100_000, "%s")
@example(b'{"id":"x","created":1e300,"choices":[{"index":0}]}', "%s")
def test_garbage_from_an_upstream_raises_the_documented_errors_and_no_other(body, wrap):
    before, after = (part.encode() for part in wrap.split("%s"))
    data = before + body + after
    readers = [openai.decode, anthropic.decode, count.decode, embeddings.decode]
    for name in ("", "error", "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"):
        readers += [lambda d, n=name: openai_stream.Decoder().feed(n, d), lambda d, n=name: anthropic_stream.Decoder().feed(n, d)]
    for read in readers:
        with suppress(UpstreamRejected, RateLimited, Unavailable):
            read(data)
