"""Streams of both vendors: any answer, cut anywhere, through either protocol and from one to the other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.wire.anthropic.messages import stream as anthropic
from ninefold.wire.openai.chat import stream as openai
from ninefold.wire.sse import EventReader

from .answers import assemble, deltas, read, relaxed, results, written

cut_places = st.lists(st.integers(0, 6000), max_size=30)


def openai_encoder(*, include_usage: bool = True):
    return openai.Encoder(model="m", result_id="id-1", created=7, include_usage=include_usage)


def anthropic_encoder():
    return anthropic.Encoder(model="m", result_id="id-1", created=7, input_tokens=3)


@relaxed
@given(data=st.data(), result=results(most_choices=3, created=7), cuts=cut_places, interleave=st.booleans())
def test_openai_streams_assemble_to_the_answer(data, result, cuts, interleave):
    body = written(openai_encoder(), deltas(data.draw, result, interleave=interleave))
    assert assemble(read(openai.Decoder(), body, cuts)) == result


@relaxed
@given(data=st.data(), result=results(), cuts=cut_places, interleave=st.booleans())
def test_anthropic_streams_assemble_to_the_answer(data, result, cuts, interleave):
    body = written(anthropic_encoder(), deltas(data.draw, result, interleave=interleave))
    assert assemble(read(anthropic.Decoder(), body, cuts)) == result


@relaxed
@given(data=st.data(), result=results(), cuts=cut_places, interleave=st.booleans())
def test_a_stream_translated_from_one_vendor_to_the_other_assembles_to_the_answer(data, result, cuts, interleave):
    there = read(openai.Decoder(), written(openai_encoder(), deltas(data.draw, result, interleave=interleave)), cuts)
    back = read(anthropic.Decoder(), written(anthropic_encoder(), there), cuts)
    again = read(openai.Decoder(), written(openai_encoder(), back), cuts)
    found = assemble(again)
    assert (found.choices, found.usage) == (result.choices, result.usage)


@relaxed
@given(data=st.data(), result=results(), interleave=st.booleans())
def test_anthropic_blocks_come_one_after_the_other(data, result, interleave):
    body = written(anthropic_encoder(), deltas(data.draw, result, interleave=interleave))
    open_block, next_index, kinds = None, 0, []
    for name, payload in EventReader().feed(body):
        found = json.loads(payload)
        assert found["type"] == name
        kinds.append(name)
        if name == "content_block_start":
            assert open_block is None
            assert found["index"] == next_index
            open_block = next_index
        elif name == "content_block_delta":
            assert found["index"] == open_block
        elif name == "content_block_stop":
            assert found["index"] == open_block
            open_block, next_index = None, next_index + 1
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert open_block is None


@pytest.mark.parametrize("include_usage", [True, False])
@relaxed
@given(data=st.data(), result=results(most_choices=2))
def test_openai_chunks_have_the_documented_shape(include_usage, data, result):
    body = written(openai_encoder(include_usage=include_usage), deltas(data.draw, result))
    payloads = [payload for _, payload in EventReader().feed(body)]
    assert payloads[-1] == b"[DONE]"
    chunks = [json.loads(p) for p in payloads[:-1]]
    assert [("ninefold" in c) for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(c["id"] == "id-1" and c["object"] == "chat.completion.chunk" and c["created"] == 7 and c["model"] == "m" for c in chunks)
    if include_usage:
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] == result.usage.input_tokens + result.usage.output_tokens
        assert all(c["usage"] is None for c in chunks[:-1])
    else:
        assert all("usage" not in c for c in chunks)
        assert chunks[-1]["choices"][0]["finish_reason"] is not None
    assert sum(1 for c in chunks if c["choices"] and c["choices"][0]["finish_reason"]) == len(result.choices)


@relaxed
@given(data=st.data(), result=results())
def test_the_cost_stands_inside_the_usage_of_message_delta(data, result):
    events = EventReader().feed(written(anthropic_encoder(), deltas(data.draw, result)))
    found = json.loads(dict(events)["message_delta"])
    assert found["usage"]["ninefold"] == {"cost_usd": "0.000000001"}
    assert found["usage"]["output_tokens"] == result.usage.output_tokens
