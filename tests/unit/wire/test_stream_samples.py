"""Streams as the vendors document them, and as compatible servers really send them."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.chat import (
    ChatResult,
    Choice,
    Finished,
    FinishReason,
    Opened,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallOpened,
)
from ninefold.domain.errors import RateLimited, StreamInterrupted, Unavailable, Unsupported, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.anthropic.messages import stream as anthropic
from ninefold.wire.openai.chat import stream as openai
from ninefold.wire.sse import EventReader

from .answers import assemble, read

# Source: docs.anthropic.com "Streaming messages", tool use and thinking.
ANTHROPIC = b"""event: message_start
data: {"type":"message_start","message":{"id":"msg_014p7gG3wDgGV9EUtLvnow3U","type":"message","role":"assistant","model":"claude-opus-4-6",
data: "stop_sequence":null,"usage":{"input_tokens":472,"cache_creation_input_tokens":8,"cache_read_input_tokens":20,"output_tokens":2},
data: "content":[],"stop_reason":null}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "I need "}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "the weather."}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Okay"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,
data: "content_block":{"type":"tool_use","id":"toolu_01T1x1fJ34qAmk2tNTrN7Up6","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"location\\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" \\"San Francisco\\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: something_new
data: {"type":"something_new","x":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},
data: "usage":{"output_tokens":89,"output_tokens_details":{"thinking_tokens":11}}}

event: message_stop
data: {"type":"message_stop"}

"""
PARTS = (
    Reasoning(text="I need the weather.", signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3h"),
    Text(text="Okay"),
    ToolCall(call_id="toolu_01T1x1fJ34qAmk2tNTrN7Up6", name="get_weather", arguments='{"location": "San Francisco"}'),
    ToolCall(call_id="toolu_2", name="now", arguments="{}"),
)


def test_a_documented_message_stream():
    found = read(anthropic.Decoder(), ANTHROPIC, [100, 1000, 1001])
    assert found[0] == Opened(
        result_id="msg_014p7gG3wDgGV9EUtLvnow3U",
        model="claude-opus-4-6",
        usage=Usage(input_tokens=500, output_tokens=2, cached_input_tokens=20, cache_write_tokens=8),
    )
    assert assemble(found) == ChatResult(
        result_id="msg_014p7gG3wDgGV9EUtLvnow3U",
        model="claude-opus-4-6",
        choices=(Choice(parts=PARTS, finish=FinishReason.TOOL_CALLS),),
        usage=Usage(input_tokens=500, output_tokens=89, cached_input_tokens=20, cache_write_tokens=8, reasoning_tokens=11),
    )


def test_a_message_stream_cut_before_its_last_event_is_not_done():
    decoder = anthropic.Decoder()
    for name, data in EventReader().feed(ANTHROPIC.replace(b"event: message_stop\n", b": ")[:-4]):
        decoder.feed(name, data)
    assert not decoder.done


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", Unavailable),
        ("api_error", Unavailable),
        ("timeout_error", Unavailable),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", UpstreamRejected),
    ],
)
def test_an_error_event_is_an_error(kind, error):
    with pytest.raises(error):
        anthropic.Decoder().feed("error", json.dumps({"type": "error", "error": {"type": kind, "message": "m"}}).encode())


def test_a_message_that_stops_without_a_reason_is_interrupted():
    with pytest.raises(StreamInterrupted):
        anthropic.Decoder().feed("message_stop", b'{"type":"message_stop"}')


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"x","name":"web_search","input":{}}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}',
        b'{"type":"message_delta","delta":{"stop_reason":"bored"}}',
        b"nope",
    ],
)
def test_message_events_that_cannot_be_translated_are_refused(data):
    with pytest.raises(UpstreamRejected):
        anthropic.Decoder().feed("", data)


def test_a_streamed_refusal_is_told():
    decoder = anthropic.Decoder()
    data = b'{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"No."}},"usage":{"output_tokens":1}}'
    assert decoder.feed("message_delta", data)[:2] == [RefusalDelta(text="No."), Finished(reason=FinishReason.REFUSAL)]


def chunks(*deltas, finish="tool_calls", usage=None, done=True) -> bytes:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1694268190,
        "model": "gpt-4o-mini",
        "system_fingerprint": "fp",
    }
    lines = [{**head, "choices": [{"index": 0, "delta": d, "logprobs": None, "finish_reason": None}]} for d in deltas]
    if finish:
        lines.append({**head, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}]})
    if usage:
        lines.append({**head, "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + (b"data: [DONE]\n\n" if done else b"")


def call(index, arguments=None, *, call_id=None, name=None) -> dict:
    function = {k: v for k, v in {"name": name, "arguments": arguments}.items() if v is not None}
    entry = {"index": index, "id": call_id, "type": "function" if call_id else None, "function": function}
    return {"tool_calls": [{k: v for k, v in entry.items() if v is not None}]}


def test_a_documented_chunk_stream():
    body = chunks(
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"},
        {"content": "!"},
        finish="stop",
        usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}},
    )
    assert assemble(read(openai.Decoder(), body, [7])) == ChatResult(
        result_id="chatcmpl-1",
        model="gpt-4o-mini",
        created=1694268190,
        choices=(Choice(parts=(Text(text="Hello!"),), finish=FinishReason.STOP),),
        usage=Usage(input_tokens=9, output_tokens=2, cached_input_tokens=4),
    )


WANTED = (ToolCall(call_id="a", name="f", arguments='{"x":1}'), ToolCall(call_id="b", name="g", arguments='{"y":2}'))
DIALECTS = {
    "documented": (
        call(0, "", call_id="a", name="f"),
        call(0, '{"x"'),
        call(0, ":1}"),
        call(1, "", call_id="b", name="g"),
        call(1, '{"y":2}'),
    ),
    "interleaved": (call(0, '{"x', call_id="a", name="f"), call(1, '{"y"', call_id="b", name="g"), call(0, '":1}'), call(1, ":2}")),
    "both in one chunk": (
        {"tool_calls": call(0, '{"x":1}', call_id="a", name="f")["tool_calls"] + call(1, '{"y":2}', call_id="b", name="g")["tool_calls"]},
    ),
    "index 0 for every call": (call(0, '{"x":1}', call_id="a", name="f"), call(0, '{"y":2}', call_id="b", name="g")),
    "no index": (call(None, '{"x"', call_id="a", name="f"), call(None, ":1}"), call(None, '{"y":2}', call_id="b", name="g")),
    "id and name in every chunk": (
        call(0, '{"x"', call_id="a", name="f"),
        call(0, ":1}", call_id="a", name="f"),
        call(1, '{"y":2}', call_id="b", name="g"),
    ),
    "name after the id": (call(0, call_id="a"), call(0, '{"x":1}', name="f"), call(1, '{"y":2}', call_id="b", name="g")),
    "indexes from 1": (call(1, '{"x":1}', call_id="a", name="f"), call(2, '{"y":2}', call_id="b", name="g")),
    "arguments before the name": (call(0, '{"x"', call_id="a"), call(0, ":1}", name="f"), call(1, '{"y":2}', call_id="b", name="g")),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_calls_are_told_apart_however_a_server_numbers_them(dialect):
    [choice] = assemble(read(openai.Decoder(), chunks({"role": "assistant"}, *DIALECTS[dialect]), [50])).choices
    assert choice == Choice(parts=WANTED, finish=FinishReason.TOOL_CALLS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_calls_reach_a_caller_of_messages_whole(dialect):
    encoder = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1)
    found = read(openai.Decoder(), chunks({"role": "assistant"}, *DIALECTS[dialect]), [])
    body = b"".join(map(encoder.encode, found)) + b"".join(encoder.finish())
    [choice] = assemble(read(anthropic.Decoder(), body, [])).choices
    assert choice == Choice(parts=WANTED, finish=FinishReason.TOOL_CALLS)


def test_a_call_without_an_id_gets_one_and_arguments_may_be_an_object():
    body = chunks({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]}, finish="stop")
    [choice] = assemble(read(openai.Decoder(), body, [])).choices
    assert choice.parts == (ToolCall(call_id="call_0_0", name="f", arguments='{"a": 1}'),)


def test_a_call_that_is_never_named_is_refused():
    with pytest.raises(UpstreamRejected):
        read(openai.Decoder(), chunks(call(0, "{}", call_id="a")), [])


def test_reasoning_of_compatible_servers():
    body = chunks({"reasoning_content": "a"}, {"reasoning": "b"}, {"content": "x"}, {"refusal": "n"}, finish="stop")
    [choice] = assemble(read(openai.Decoder(), body, [])).choices
    assert choice.parts == (Reasoning(text="ab"), Text(text="x"), Refusal(text="n"))
    # OpenRouter says it twice: as plain text and as details.
    body = chunks({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}, finish="stop")
    assert assemble(read(openai.Decoder(), body, [])).choices[0].parts == (Reasoning(text="a"),)


def test_azures_first_chunk_opens_nothing():
    decoder = openai.Decoder()
    assert decoder.feed("", b'{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}') == []
    assert decoder.feed("", b'{"id":"c","choices":[{"index":0,"delta":{"content":"x"}}]}') == [
        Opened(result_id="c", model=""),
        TextDelta(text="x"),
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "m", "type": "rate_limit_exceeded"}, RateLimited),
        ({"message": "m", "type": "requests", "code": "rate_limit_exceeded"}, RateLimited),
        ({"message": "m", "type": "server_error"}, Unavailable),
        ({"message": "m", "code": 503}, Unavailable),
        ({"message": "m", "type": "invalid_request_error"}, UpstreamRejected),
    ],
)
def test_an_error_chunk_is_an_error(error, expected):
    with pytest.raises(expected):
        openai.Decoder().feed("", json.dumps({"error": error}).encode())


@pytest.mark.parametrize("finish", ["error", "abort"])
def test_an_unknown_end_is_no_proper_end(finish):
    with pytest.raises(UpstreamRejected):
        read(openai.Decoder(), chunks({"content": "x"}, finish=finish), [])


def test_done_without_a_finish_reason_is_interrupted():
    with pytest.raises(StreamInterrupted):
        read(openai.Decoder(), chunks({"content": "x"}, finish=None), [])
    with pytest.raises(StreamInterrupted):
        openai.Decoder().feed("", b"[DONE]")


def test_only_done_is_done():
    decoder = openai.Decoder()
    for name, data in EventReader().feed(chunks({"content": "x"}, finish="stop", usage={"prompt_tokens": 1}, done=False)):
        decoder.feed(name, data)
    assert not decoder.done


def test_an_answer_that_was_not_finished_is_never_closed():
    first = openai.Encoder(model="m", result_id="r", created=0, include_usage=False)
    first.encode(Opened(result_id="", model=""))
    second = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1)
    second.encode(TextDelta(text="x"))
    for encoder in (first, second):
        with pytest.raises(StreamInterrupted):
            encoder.finish()


def test_sequential_calls_are_streamed_as_they_come():
    encoder = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1)
    encoder.encode(ToolCallOpened(index=0, call_id="a", name="f"))
    encoder.encode(ToolCallDelta(index=0, arguments='{"x":1}'))
    assert b'"name":"g"' in encoder.encode(ToolCallOpened(index=1, call_id="b", name="g"))
    assert b"partial_json" in encoder.encode(ToolCallDelta(index=1, arguments='{"y'))
    assert encoder.encode(ToolCallDelta(index=0, arguments="\n")) == b""
    with pytest.raises(UpstreamRejected):
        encoder.encode(ToolCallDelta(index=0, arguments="{"))
    with pytest.raises(UpstreamRejected):
        encoder.encode(ToolCallDelta(index=7, arguments="{"))


def test_a_forced_call_and_a_refusal_end_as_this_protocol_says():
    for delta, reason in ((ToolCallOpened(index=0, call_id="a", name="f"), b"tool_use"), (RefusalDelta(text="no"), b"refusal")):
        encoder = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1)
        encoder.encode(delta)
        encoder.encode(Finished(reason=FinishReason.STOP))
        assert b'"stop_reason":"' + reason + b'"' in encoder.finish()[0]


def test_message_start_says_the_input_tokens_that_are_known():
    for opened, tokens in ((Opened(result_id="", model=""), 3), (Opened(result_id="", model="", usage=Usage(input_tokens=9)), 9)):
        encoder = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=3)
        [(_, data)] = EventReader().feed(encoder.encode(opened))
        assert json.loads(data)["message"]["usage"]["input_tokens"] == tokens


def test_a_second_choice_is_no_message():
    encoder = anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1)
    with pytest.raises(Unsupported):
        encoder.encode(TextDelta(text="x", choice=1))


def test_unsigned_reasoning_before_a_redacted_block_stays_apart():
    found = [
        Opened(result_id="r", model="m"),
        ReasoningDelta(text="a"),
        ReasoningDelta(redacted="x"),
        TextDelta(text="t"),
        Finished(reason=FinishReason.STOP),
    ]
    for encoder, decoder in (
        (openai.Encoder(model="m", result_id="r", created=0, include_usage=True), openai.Decoder()),
        (anthropic.Encoder(model="m", result_id="r", created=0, input_tokens=1), anthropic.Decoder()),
    ):
        body = b"".join(map(encoder.encode, found)) + b"".join(encoder.finish())
        [choice] = assemble(read(decoder, body, [])).choices
        assert choice.parts == (Reasoning(text="a"), Reasoning(redacted="x"), Text(text="t"))
