"""Gemini's streams: any answer, cut anywhere, through its protocol and from it to another; and what is passed on untouched."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import Finished, FinishReason, Opened, RefusalDelta, TextDelta, ToolCallDelta, ToolCallOpened, UsageReported
from ninefold.domain.errors import RateLimited, StreamInterrupted, Unavailable, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.gemini.generate import response as gemini_response
from ninefold.wire.gemini.generate import stream as gemini
from ninefold.wire.gemini.generate.frames import Frames
from ninefold.wire.gemini.generate.scan import GenerateScan
from ninefold.wire.openai.chat import stream as openai
from ninefold.wire.sse import EventReader

from .answers import assemble, deltas, relaxed, results, written

cut_places = st.lists(st.integers(0, 6000), max_size=30)
COST = b'"ninefold":{"cost_usd":"0.1"}'


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(min(c, len(data)) for c in cuts), len(data)])]


def encoder(*, array: bool = False):
    return gemini.Encoder(model="m", result_id="id-1", frames=Frames(array=array))


def read(body: bytes, cuts: list[int], choices: int = 1):
    reader, decoder, out = EventReader(), gemini.Decoder(choices), []
    for piece in pieces_of(body, cuts):
        for name, payload in reader.feed(piece):
            out += decoder.feed(name, payload)
    assert not reader.pending
    return out


def expressible(result):
    """The answer without what Gemini has no words for: which of the caller's strings ended it, and tokens written to a cache."""
    choices = tuple(
        replace(c, stop_sequence=None, finish=FinishReason.STOP if c.finish is FinishReason.STOP_SEQUENCE else c.finish)
        for c in result.choices
    )
    return replace(result, choices=choices, usage=replace(result.usage, cache_write_tokens=0), created=0)


@relaxed
@given(data=st.data(), result=results(most_choices=3), cuts=cut_places, interleave=st.booleans())
def test_streams_assemble_to_the_answer(data, result, cuts, interleave):
    result = expressible(result)
    body = written(encoder(), deltas(data.draw, result, interleave=interleave))
    assert assemble(read(body, cuts, len(result.choices))) == result


@relaxed
@given(data=st.data(), result=results(), cuts=cut_places)
def test_a_stream_translated_to_openai_and_back_assembles_to_the_answer(data, result, cuts):
    result = expressible(result)
    there = read(written(encoder(), deltas(data.draw, result)), cuts)
    body = written(openai.Encoder(model="m", result_id="id-1", created=0, include_usage=True), there)
    reader, decoder = EventReader(), openai.Decoder()
    back = [delta for name, payload in reader.feed(body) for delta in decoder.feed(name, payload)]
    found = assemble(back)
    assert (found.choices, found.usage) == (result.choices, result.usage)


@relaxed
@given(data=st.data(), result=results())
def test_an_array_holds_the_same_chunks(data, result):
    drawn = deltas(data.draw, expressible(result))
    events = [json.loads(payload) for _, payload in EventReader().feed(written(encoder(), drawn))]
    assert json.loads(written(encoder(array=True), drawn)) == events
    assert events[-1]["ninefold"] == {"cost_usd": "0.000000001"}
    assert events[-1]["candidates"][0]["finishReason"]
    assert not any("finishReason" in c for e in events[:-1] for c in e["candidates"])


@relaxed
@given(result=results(most_choices=3))
def test_whole_answers_survive(result):
    result = expressible(result)
    assert gemini_response.decode(gemini_response.encode(result, model="m", result_id="id-1")) == result


def test_a_refusal_is_a_filtered_answer():
    found = [Opened(result_id="r", model="m"), RefusalDelta(text="No."), Finished(reason=FinishReason.STOP), UsageReported(usage=Usage())]
    chunks = [json.loads(payload) for _, payload in EventReader().feed(written(encoder(), found))]
    assert chunks[0]["candidates"][0]["content"]["parts"] == [{"text": "No."}]
    assert chunks[-1]["candidates"][0]["finishReason"] == "SAFETY"


def chunk(text: str | None = None, *, finish: str | None = None, index: int = 0, parts=None, **more) -> bytes:
    content = {"content": {"parts": parts or [{"text": text}], "role": "model"}} if text is not None or parts else {}
    ended = {"finishReason": finish} if finish else {}
    body = {"candidates": [content | ended | {"index": index}], "modelVersion": "gemini-3-pro-001", "responseId": "r-1"} | more
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


USAGE = {"promptTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 9, "cachedContentTokenCount": 1}


def call(*, array: bool = False, choices: int = 1) -> ModelCall:
    path = "/v1beta/models/fast:streamGenerateContent" + ("" if array else "?alt=sse")
    body = b'{"contents":[{"parts":[{"text":"hello"}]}]}'
    return ModelCall(operation=Operation.CHAT, wire=Wire.GEMINI, model="fast", body=body, stream=True, path=path, choices=choices)


def passed(scan: GenerateScan, data: bytes, cuts: list[int] = []) -> bytes:  # noqa: B006 - it is never written to
    out = b"".join(scan.feed(piece) for piece in pieces_of(data, cuts))
    scan.end()
    return out + scan.tail.with_member(COST)


STREAM = (
    chunk("Hel", usageMetadata={"promptTokenCount": 4})
    + chunk(parts=[{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "AbC+"}], novelty={"of": "tomorrow"})
    + chunk("", finish="STOP", usageMetadata=USAGE)
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_googles_own_chunks_pass_but_for_the_models_name(cuts):
    scan = GenerateScan(call())
    found = [json.loads(payload) for _, payload in EventReader().feed(passed(scan, STREAM, cuts))]
    expected = [json.loads(payload) for _, payload in EventReader().feed(STREAM.replace(b"gemini-3-pro-001", b"fast"))]
    expected[-1]["ninefold"] = {"cost_usd": "0.1"}
    assert found == expected
    assert scan.complete
    assert scan.usage == Usage(input_tokens=4, output_tokens=5, cached_input_tokens=1, reasoning_tokens=3)
    assert [(c.name, c.arguments) for c in scan.tool_calls] == [("f", '{"a": 1}')]


def test_a_caller_without_events_gets_an_array():
    found = json.loads(passed(GenerateScan(call(array=True)), STREAM))
    assert [c["modelVersion"] for c in found] == ["fast"] * 3
    assert found[-1]["ninefold"] == {"cost_usd": "0.1"}


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_stream_that_ends_early_is_never_complete(kept):
    scan = GenerateScan(call())
    scan.feed(b"".join(STREAM.partition(b"\r\n\r\n")[:2]) * kept)
    with pytest.raises(StreamInterrupted):
        scan.end()
    assert not scan.complete
    assert scan.usage.estimated


def test_every_candidate_has_to_end():
    scan = GenerateScan(call(choices=2))
    scan.feed(chunk("a", finish="STOP") + chunk("b", index=1))
    with pytest.raises(StreamInterrupted):
        scan.end()
    scan.feed(chunk("", finish="STOP", index=1, usageMetadata=USAGE))
    scan.end()
    assert scan.complete
    decoder = gemini.Decoder(2)
    found = decoder.feed("", chunk("a", finish="STOP")[6:].strip())
    assert not any(isinstance(delta, Finished) for delta in found)


def test_a_blocked_prompt_is_a_filtered_answer():
    blocked = json.dumps({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Not this."}, "usageMetadata": USAGE}).encode()
    result = gemini_response.decode(blocked)
    assert result.choices[0].finish is FinishReason.CONTENT_FILTER
    found = gemini.Decoder().feed("", blocked)
    assert found[1:3] == [RefusalDelta(text="Not this."), Finished(reason=FinishReason.CONTENT_FILTER)]
    scan = GenerateScan(call())
    scan.feed(b"data: " + blocked + b"\n\n")
    scan.end()
    assert scan.complete


@pytest.mark.parametrize("reason", ["OTHER", "MALFORMED_FUNCTION_CALL", "SOMETHING_NEW", "FINISH_REASON_UNSPECIFIED"])
def test_an_improper_end_is_not_passed_off_as_a_proper_one(reason):
    with pytest.raises(UpstreamRejected):
        gemini.Decoder().feed("", chunk("x", finish=reason)[6:].strip())


@pytest.mark.parametrize(
    ("status", "kind"), [("RESOURCE_EXHAUSTED", RateLimited), ("UNAVAILABLE", Unavailable), ("INVALID_ARGUMENT", UpstreamRejected)]
)
def test_an_error_in_the_stream_is_raised(status, kind):
    error = json.dumps({"error": {"code": 1, "message": "no", "status": status}}).encode()
    with pytest.raises(kind):
        gemini.Decoder().feed("", error)
    with pytest.raises(kind):
        GenerateScan(call()).feed(b"data: " + error + b"\n\n")


def test_calls_without_ids_get_the_same_ones_streamed_and_whole():
    parts = [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}}}]
    streamed = [d for d in gemini.Decoder().feed("", chunk(parts=parts, finish="STOP")[6:].strip()) if isinstance(d, ToolCallOpened)]
    whole = gemini_response.decode(chunk(parts=parts, finish="STOP")[6:].strip())
    assert [d.call_id for d in streamed] == [part.call_id for part in whole.choices[0].parts]
    assert len({d.call_id for d in streamed}) == 2
    assert whole.choices[0].finish is FinishReason.TOOL_CALLS


def test_arguments_of_no_call_are_refused():
    with pytest.raises(UpstreamRejected):
        encoder().encode(ToolCallDelta(index=0, arguments="{}"))


def test_an_answer_without_an_end_has_no_last_chunk():
    writer = encoder()
    writer.encode(TextDelta(text="x"))
    with pytest.raises(StreamInterrupted):
        writer.finish()
