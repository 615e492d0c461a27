"""Converse answers, whole and streamed: nothing lost on the way, and an end that is true."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.eventstream import event, exception

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import (
    FinishReason,
    Reasoning,
    ReasoningDelta,
    Text,
    ToolCall,
    ToolCallDelta,
    UsageReported,
)
from ninefold.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    RateLimited,
    StreamInterrupted,
    Unavailable,
    UpstreamRejected,
)
from ninefold.domain.usage import Usage
from ninefold.wire.bedrock.converse import response
from ninefold.wire.bedrock.converse.stream import Decoder
from ninefold.wire.bedrock.eventstream import FrameReader
from ninefold.wire.bedrock.failures import failure
from ninefold.wire.dialects.translated_scan import TranslatedScan

from .answers import json_objects

USAGE = {
    "inputTokens": 4,
    "outputTokens": 30,
    "totalTokens": 1134,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 100,
    "cacheDetails": [{"inputTokens": 100, "ttl": "5m"}],
}
COUNTED = Usage(input_tokens=1104, output_tokens=30, cached_input_tokens=1000, cache_write_tokens=100)


def answer(*blocks: dict, stop: str = "end_turn", **more) -> bytes:
    document = {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        "usage": USAGE,
        "metrics": {"latencyMs": 12},
        "trace": {"guardrail": {}},
    }
    return json.dumps(document | more).encode()


def decode(body: bytes):
    return response.decode(body, result_id="r1", model="claude")


def test_every_kind_of_block():
    result = decode(
        answer(
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "eA=="}},
            {"text": "Let me see."},
            {"citationsContent": {"content": [{"text": "It "}, {"text": "rains."}], "citations": [{"title": "t"}]}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Köln", "n": 1.0}}},
            {"text": ""},
            stop="tool_use",
        )
    )
    assert result.choices[0].parts == (
        Reasoning(text="hm", signature="c2ln"),
        Reasoning(redacted="eA=="),
        Text(text="Let me see."),
        Text(text="It rains."),
        ToolCall(call_id="tooluse_1", name="weather", arguments='{"city": "K\\u00f6ln", "n": 1.0}'),
    )
    assert result.choices[0].finish is FinishReason.TOOL_CALLS
    assert (result.result_id, result.model) == ("r1", "claude")


def test_tokens_of_the_cache_are_counted_once():
    assert decode(answer({"text": "x"})).usage == COUNTED


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
    ],
)
def test_stop_reasons(word, reason):
    assert decode(answer({"text": "x"}, stop=word)).choices[0].finish is reason


def test_the_stop_sequence_is_told():
    choice = decode(answer({"text": "x"}, stop="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"})).choices[0]
    assert (choice.finish, choice.stop_sequence) == (FinishReason.STOP_SEQUENCE, "END")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        answer({"text": "x"}, stop="malformed_tool_use"),
        answer({"text": "x"}, stop="something_new"),
        answer({"video": {"format": "mp4"}}),
        answer({"text": "x"}, usage={"inputTokens": -1}),
        b'{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"f","input":"\xff"}}]}},"stopReason":"tool_use"}',
    ],
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(UpstreamRejected):
        decode(body)


def delta(index: int, **content) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": content, "p": "abcdef"})


START = event("messageStart", {"role": "assistant"})
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 9}})
STREAM = [
    START,
    delta(0, reasoningContent={"text": "h"}),
    delta(0, reasoningContent={"text": "m"}),
    delta(0, reasoningContent={"signature": "c2ln"}),
    event("contentBlockStop", {"contentBlockIndex": 0}),
    delta(1, text="Let me "),
    delta(1, text="see."),
    event("contentBlockStop", {"contentBlockIndex": 1}),
    event("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
    delta(2, toolUse={"input": '{"city": '}),
    delta(2, toolUse={"input": '"Köln"}'}),
    event("contentBlockStop", {"contentBlockIndex": 2}),
    event("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t2", "name": "clock"}}}),
    delta(3, toolUse={"input": ""}),
    event("contentBlockStop", {"contentBlockIndex": 3}),
    event("messageStop", {"stopReason": "tool_use"}),
    METADATA,
]
PLAIN = [START, delta(0, text="You "), delta(0, text="said"), event("messageStop", {"stopReason": "end_turn"}), METADATA]


def scan(wire: Wire = Wire.ANTHROPIC) -> TranslatedScan:
    call = ModelCall(operation=Operation.CHAT, wire=wire, model="fast", body=b"{}" * 20, stream=True)
    return TranslatedScan(call, Decoder(result_id="r1", model="claude"), FrameReader())


def test_deltas():
    decoder = Decoder(result_id="r1", model="claude")
    deltas = [one for name, payload in FrameReader().feed(b"".join(STREAM)) for one in decoder.feed(name, payload)]
    assert decoder.done
    assert [d for d in deltas if isinstance(d, ReasoningDelta)] == [
        ReasoningDelta(text="h"),
        ReasoningDelta(text="m"),
        ReasoningDelta(signature="c2ln"),
    ]
    pieces = [(d.index, d.arguments) for d in deltas if isinstance(d, ToolCallDelta)]
    assert pieces == [(0, '{"city": '), (0, '"Köln"}'), (1, "{}")]
    assert deltas[-1] == UsageReported(usage=COUNTED)


@pytest.mark.parametrize("wire", [Wire.ANTHROPIC, Wire.OPENAI])
@given(cuts=st.lists(st.integers(0, sum(map(len, STREAM))), max_size=10))
def test_any_split_gives_the_same_answer(wire, cuts):
    data = b"".join(STREAM)
    whole = scan(wire)
    expected = whole.feed(data)
    parts = scan(wire)
    assert b"".join(parts.feed(data[a:b]) for a, b in itertools.pairwise([0, *sorted(cuts), len(data)])) == expected
    assert parts.complete
    assert parts.tail == whole.tail
    assert parts.usage == COUNTED
    assert [(c.call_id, c.name, c.arguments) for c in parts.tool_calls] == [("t1", "weather", '{"city": "Köln"}'), ("t2", "clock", "{}")]


@pytest.mark.parametrize("kept", range(len(PLAIN) - 2))
def test_a_stream_without_its_stop_was_interrupted(kept):
    found = scan()
    found.feed(b"".join(PLAIN[:kept]))
    assert not found.complete
    with pytest.raises(StreamInterrupted):
        found.end()


def test_a_stream_without_its_usage_is_complete_and_estimated():
    found = scan()
    found.feed(b"".join(PLAIN[:-1]))
    assert not found.complete
    found.end()
    assert found.complete
    assert found.usage.estimated
    assert found.usage.output_tokens >= 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", RateLimited),
        ("modelStreamErrorException", Unavailable),
        ("internalServerException", Unavailable),
        ("serviceUnavailableException", Unavailable),
        ("modelTimeoutException", DeadlineExceeded),
        ("validationException", UpstreamRejected),
        ("someNewException", Unavailable),
    ],
)
def test_exceptions_inside_a_stream(name, kind):
    found = scan()
    found.feed(b"".join(PLAIN[:2]))
    with pytest.raises(kind):
        found.feed(exception(name, "scripted"))


def test_arguments_of_no_call_are_refused():
    with pytest.raises(UpstreamRejected):
        scan().feed(START + delta(0, toolUse={"input": "{"}))


@pytest.mark.parametrize("start", [{"image": {"format": "png"}}, {"toolResult": {"toolUseId": "a"}}])
def test_blocks_that_others_have_no_place_for_are_refused(start):
    with pytest.raises(UpstreamRejected):
        scan().feed(START + event("contentBlockStart", {"contentBlockIndex": 0, "start": start}))


made = st.lists(st.tuples(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True), json_objects()), min_size=1, max_size=4)


@pytest.mark.parametrize("wire", [Wire.ANTHROPIC, Wire.OPENAI])
@given(calls=made, data=st.data())
def test_calls_lose_nothing_on_the_way(wire, calls, data):
    whole = response.decode(
        b'{"output":{"message":{"content":['
        + b",".join(
            b'{"toolUse":{"toolUseId":"t%d","name":"%b","input":%b}}' % (i, name.encode(), text.encode())
            for i, (name, text) in enumerate(calls)
        )
        + b']}},"stopReason":"tool_use"}',
        result_id="r",
        model="m",
    )
    expected = [(f"t{i}", name, text) for i, (name, text) in enumerate(calls)]
    parts = [part for part in whole.choices[0].parts if isinstance(part, ToolCall)]
    assert [(part.call_id, part.name, json.loads(part.arguments)) for part in parts] == [(i, n, json.loads(t)) for i, n, t in expected]
    frames = [START]
    for index, (call_id, name, text) in enumerate(expected):
        frames.append(event("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": call_id, "name": name}}}))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        frames += [delta(index, toolUse={"input": text[a:b]}) for a, b in itertools.pairwise([0, *cuts, len(text)])]
        frames.append(event("contentBlockStop", {"contentBlockIndex": index}))
    found = scan(wire)
    found.feed(b"".join([*frames, event("messageStop", {"stopReason": "tool_use"}), METADATA]))
    assert found.complete
    assert [(call.call_id, call.name, call.arguments) for call in found.tool_calls] == expected


def test_unknown_events_are_read_over():
    found = scan()
    found.feed(PLAIN[0] + event("somethingNew", {"x": 1}) + b"".join(PLAIN[1:]))
    assert found.complete


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected", "elsewhere"),
    [
        (400, "ValidationException", "messages.0 is empty", InvalidRequest, False),
        (400, "", "bad", InvalidRequest, False),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong, True),
        (400, "ValidationException", "The provided model identifier is invalid.", UpstreamRejected, True),
        (400, "ValidationException", "Invocation of model ID x with on-demand throughput isn't supported.", UpstreamRejected, True),
        (400, "IncompleteSignatureException", "", UpstreamRejected, True),
        (400, "ServiceQuotaExceededException", "", RateLimited, True),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", UpstreamRejected, True),
        (404, "ResourceNotFoundException", "", UpstreamRejected, True),
        (408, "ModelTimeoutException", "", DeadlineExceeded, True),
        (424, "ModelErrorException", "", Unavailable, True),
        (429, "ThrottlingException:http://internal.amazon.com/coral/", "Too many tokens", RateLimited, True),
        (429, "ModelNotReadyException", "", RateLimited, True),
        (500, "InternalServerException", "", Unavailable, True),
        (503, "ServiceUnavailableException", "", Unavailable, True),
    ],
)
def test_statuses(status, kind, message, expected, elsewhere):
    headers = {b"x-amzn-errortype": kind.encode(), b"retry-after": b"7"}
    error, other = failure(status, headers, json.dumps({"message": message}).encode())
    assert type(error) is expected
    assert other is elsewhere
    if status == 429:
        assert error.retry_after_s == 7


def test_the_vendors_own_words_reach_the_caller():
    assert "messages.0 is empty" in failure(400, {}, b'{"Message":"messages.0 is empty"}')[0].detail
    assert failure(400, {}, b"<html>")[0].detail
