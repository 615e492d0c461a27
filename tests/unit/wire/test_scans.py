# ruff: noqa: E501 - events read best whole
"""Streams that pass through: any split of the input gives the same output, cut at events, and an end that is true."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import StreamInterrupted, Unavailable
from ninefold.wire.anthropic.messages.scan import MessageScan
from ninefold.wire.openai.chat.scan import ChatScan

CALL = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=b"{}" * 20, stream=True)


def chunk(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini-2025", "choices": [choice]}
    return b"data: " + json.dumps(body | more, separators=(",", ":")).encode() + b"\n\n"


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}
USAGE_CHUNK = (
    b"data: "
    + json.dumps({"id": "c1", "created": 1, "model": "gpt-5-mini-2025", "choices": [], "usage": USAGE}, separators=(",", ":")).encode()
    + b"\n\n"
)
DONE = b"data: [DONE]\n\n"
TEXT = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": t}) for t in ("Hel", "lo", " wörld")], chunk({}, "stop")]
TOOLS = [
    chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
    chunk({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
    chunk({}, "tool_calls"),
]  # fmt: skip


def run(scan, data, cuts):
    out = b""
    edges = [0, *sorted(cuts), len(data)]
    for a, b in itertools.pairwise(edges):
        if a == b or scan.complete:
            continue
        got = scan.feed(data[a:b])
        assert not got or got.endswith(b"\n\n")
        out += got
    scan.end()
    return out


def events(data):
    return [json.loads(e[6:]) for e in data.decode().split("\n\n") if e.startswith("data: {")]


@given(cuts=st.lists(st.integers(0, 1500), max_size=12), include=st.booleans(), tools=st.booleans(), crlf=st.booleans())
def test_any_split_of_a_chat_stream_gives_the_same_answer(cuts, include, tools, crlf):
    data = b"".join([*(TOOLS if tools else TEXT), USAGE_CHUNK, DONE])
    if crlf:
        data = data.replace(b"\n", b"\r\n")
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=CALL.body, stream=True, include_usage=include)
    scan = ChatScan(call)
    out = run(scan, data, [c % (len(data) + 1) for c in cuts])
    whole = out + scan.tail.with_member(b'"ninefold":{"cost_usd":1}')
    seen = events(whole)
    assert all(event["model"] == "fast" for event in seen)
    assert whole.endswith(DONE)
    assert seen[-1]["ninefold"] == {"cost_usd": 1}
    assert sum("ninefold" in event for event in seen) == 1
    assert len(seen) == 5 + include
    assert bool(seen[-1]["choices"]) is not include
    assert (scan.usage.input_tokens, scan.usage.output_tokens, scan.usage.cached_input_tokens) == (9, 3, 4)
    assert not scan.usage.estimated
    if tools:
        assert [(c.call_id, c.name, c.arguments) for c in scan.tool_calls] == [("a", "f", '{"x":1}'), ("b", "g", "{}")]
    else:
        assert "".join(e["choices"][0]["delta"].get("content") or "" for e in seen if e["choices"]) == "Hello wörld"


def test_the_opening_waits_for_the_first_content():
    scan = ChatScan(CALL)
    assert scan.feed(TEXT[0]) == b""
    assert not scan.started
    assert scan.feed(b": keep-alive\n\n") == b""
    out = scan.feed(TEXT[1])
    assert scan.started
    assert len(events(out)) == 2


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_a_stream_without_a_finish_is_interrupted(kept):
    scan = ChatScan(CALL)
    for event in TEXT[:kept]:
        scan.feed(event)
    with pytest.raises(StreamInterrupted):
        scan.end()
    with pytest.raises(StreamInterrupted):
        scan.feed(DONE)


def test_a_finished_stream_without_done_is_complete():
    scan = ChatScan(CALL)
    for event in TEXT:
        scan.feed(event)
    assert not scan.complete
    scan.end()
    assert scan.complete
    assert events(scan.tail.plain())[0]["choices"][0]["finish_reason"] == "stop"


def test_an_error_inside_the_stream_is_raised():
    scan = ChatScan(CALL)
    scan.feed(TEXT[0] + TEXT[1])
    with pytest.raises(Unavailable):
        scan.feed(b'data: {"error":{"message":"boom","type":"server_error"}}\n\n')


def test_what_was_produced_is_estimated_when_the_caller_leaves():
    scan = ChatScan(CALL)
    for event in TEXT[:-1]:
        scan.feed(event)
    for _ in range(100):
        scan.feed(chunk({"content": "four"}))
    assert scan.usage.estimated
    assert 100 <= scan.usage.output_tokens <= 120


def test_two_choices_keep_flowing_after_the_first_has_finished():
    def second(delta, finish=None):
        body = json.loads(chunk(delta, finish)[6:])
        body["choices"][0]["index"] = 1
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

    scan = ChatScan(CALL)
    out = scan.feed(TEXT[1] + second({"content": "x"}) + chunk({}, "stop"))
    out += scan.feed(second({"content": "y"}))
    out += scan.feed(second({}, "length") + USAGE_CHUNK + DONE)
    seen = events(out + scan.tail.plain())
    assert [(e["choices"][0]["index"], e["choices"][0]["finish_reason"]) for e in seen] == [
        (0, None), (1, None), (0, "stop"), (1, None), (1, "length"),
    ]  # fmt: skip


def message(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields, separators=(',', ':'))}\n\n".encode()


MESSAGE = [
    message("message_start", message={"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "stop_reason": None,
                                      "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2, "output_tokens": 1}}),
    message("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    message("ping"),
    message("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"}),
    message("content_block_delta", index=0, delta={"type": "text_delta", "text": " wörld"}),
    message("content_block_stop", index=0),
    message("content_block_start", index=1, content_block={"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
    message("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a"'}),
    message("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ":1}"}),
    message("content_block_stop", index=1),
    message("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 15}),
    message("message_stop"),
]  # fmt: skip
ANTHROPIC_CALL = ModelCall(operation=Operation.CHAT, wire=Wire.ANTHROPIC, model="fast", body=b"{}" * 20, stream=True)


@given(cuts=st.lists(st.integers(0, 3000), max_size=12))
def test_any_split_of_a_message_stream_gives_the_same_answer(cuts):
    data = b"".join(MESSAGE)
    scan = MessageScan(ANTHROPIC_CALL)
    out = run(scan, data, [c % (len(data) + 1) for c in cuts])
    whole = out + scan.tail.with_member(b'"ninefold":{"cost_usd":1}')
    seen = [json.loads(block.split("\ndata: ")[1]) for block in whole.decode().split("\n\n") if block]
    assert [event["type"] for event in seen] == [json.loads(e.split(b"data: ")[1])["type"] for e in MESSAGE]
    assert seen[0]["message"]["model"] == "fast"
    assert seen[-2]["usage"] == {"output_tokens": 15, "ninefold": {"cost_usd": 1}}
    usage = scan.usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens, usage.output_tokens) == (14, 7, 2, 15)
    assert [(c.call_id, c.name, c.arguments) for c in scan.tool_calls] == [("t1", "f", '{"a":1}')]


@pytest.mark.parametrize("kept", range(1, 12))
def test_a_message_without_its_stop_is_interrupted(kept):
    scan = MessageScan(ANTHROPIC_CALL)
    for event in MESSAGE[:kept]:
        scan.feed(event)
    with pytest.raises(StreamInterrupted):
        scan.end()


def test_an_overloaded_error_inside_a_message_is_raised():
    scan = MessageScan(ANTHROPIC_CALL)
    scan.feed(b"".join(MESSAGE[:4]))
    with pytest.raises(Unavailable):
        scan.feed(message("error", error={"type": "overloaded_error", "message": "Overloaded"}))
