"""Legacy completions: as conversations, and passed on as they are."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from ninefold.domain.call import LOGPROBS, ModelCall, Operation, Wire
from ninefold.domain.chat import (
    ChatResult,
    Choice,
    Finished,
    FinishReason,
    Opened,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Role,
    Sampling,
    Text,
    TextDelta,
    Turn,
    UsageReported,
)
from ninefold.domain.errors import InvalidRequest, StreamInterrupted, Unavailable, Unsupported
from ninefold.domain.usage import Usage
from ninefold.wire.openai.chat import request as chat
from ninefold.wire.openai.completions import envelope, passthrough, response
from ninefold.wire.openai.completions.request import decode
from ninefold.wire.openai.completions.scan import CompletionScan
from ninefold.wire.openai.completions.stream import Encoder
from ninefold.wire.sse import EventReader

from .answers import relaxed


def body(**members) -> bytes:
    return json.dumps({"model": "m", "prompt": "Once"} | members).encode()


def test_the_prompt_is_what_the_user_says():
    found = decode(body(prompt=["Once"], temperature=0.5, stop=["a", "b"], seed=3, presence_penalty=1, frequency_penalty=-1, n=2, user="u"))
    assert found.turns == (Turn(role=Role.USER, parts=(Text(text="Once"),)),)
    assert found.sampling == Sampling(temperature=0.5, stop=("a", "b"), seed=3, presence_penalty=1, frequency_penalty=-1)
    assert (found.choices, found.user, found.max_output_tokens, found.extra) == (2, "u", 16, ())
    harmless = decode(body(echo=False, suffix=None, best_of=1, logprobs=None, logit_bias={}, max_tokens=9))
    assert (harmless.extra, harmless.max_output_tokens) == ((), 9)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"suffix": "x"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"logprobs": 0}, "logprobs"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"brand_new": 1}, "brand_new"),
    ],
)
def test_what_no_conversation_can_express_is_refused_by_its_name(members, param):
    with pytest.raises(Unsupported) as refused:
        chat.encode(decode(body(**members)), model="gpt", max_output_tokens=16, stream=False)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("members", "choices", "cap"),
    [
        ({}, 1, 16),
        ({"max_tokens": 5, "n": 3}, 3, 5),
        ({"prompt": ["a", "b"], "n": 2}, 4, 16),
        ({"prompt": ["a", "b"], "n": 2, "best_of": 5}, 10, 16),
        ({"prompt": [1, 2, 3]}, 1, 16),
        ({"prompt": [[1, 2], [3]]}, 2, 16),
        ({"max_tokens": 0, "echo": True}, 1, 0),
    ],
)
def test_admission_counts_every_answer_of_every_prompt(members, choices, cap):
    call = envelope.read(body(**members))
    assert (call.choices, call.max_output_tokens) == (choices, cap)
    assert call.input_tokens_bound >= len(call.body)


def test_admission_knows_what_is_needed_and_refuses_what_cannot_be():
    assert envelope.read(body(logprobs=2)).needs == {LOGPROBS}
    for members, param in [
        ({"model": ""}, "model"),
        ({"prompt": None}, "prompt"),
        ({"n": 0}, "n"),
        ({"best_of": 129}, "n"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"max_tokens": -1}, "max_tokens"),
    ]:
        with pytest.raises(InvalidRequest) as refused:
            envelope.read(body(**members))
        assert refused.value.param == param


@pytest.mark.parametrize("prompt", [b'"\xff"', b"[" * 5000 + b"]" * 5000])
def test_admission_refuses_what_is_no_json(prompt):
    with pytest.raises(InvalidRequest):
        envelope.read(b'{"model": "m", "prompt": ' + prompt + b"}")


USAGE = Usage(input_tokens=5, output_tokens=7, cached_input_tokens=2)


def test_a_whole_answer():
    choices = (
        Choice(parts=(Reasoning(text="hm"), Text(text="a"), Text(text="b")), finish=FinishReason.STOP_SEQUENCE),
        Choice(parts=(Refusal(text="no"),), finish=FinishReason.REFUSAL),
        Choice(parts=(), finish=FinishReason.LENGTH),
    )
    result = ChatResult(result_id="r", model="x", choices=choices, usage=USAGE)
    found = json.loads(response.encode(result, model="m", result_id="id-1", created=7))
    assert Completion.model_validate(found).object == "text_completion"
    assert (found["id"], found["object"], found["model"], found["created"]) == ("id-1", "text_completion", "m", 7)
    assert [(c["index"], c["text"], c["finish_reason"]) for c in found["choices"]] == [
        (0, "ab", "stop"),
        (1, "no", "content_filter"),
        (2, "", "length"),
    ]
    assert found["usage"]["total_tokens"] == 12


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_streamed_answer(include_usage):
    encoder = Encoder(model="m", result_id="id-1", created=7, include_usage=include_usage)
    told = [
        Opened(result_id="r", model="x"),
        ReasoningDelta(text="hm"),
        TextDelta(text="a\n"),
        TextDelta(text="b", choice=1),
        Finished(reason=FinishReason.STOP),
        Finished(reason=FinishReason.LENGTH, choice=1),
        UsageReported(usage=USAGE),
    ]
    out = b"".join(encoder.encode(delta) for delta in told)
    before, after = encoder.finish()
    events = [payload for _, payload in EventReader().feed(out + before + b',"ninefold":1' + after)]
    assert events.pop() == b"[DONE]"
    chunks = [json.loads(payload) for payload in events]
    assert {(c["id"], c["object"], c["model"]) for c in chunks} == {("id-1", "text_completion", "m")}
    said = [(c["choices"][0]["index"], c["choices"][0]["text"], c["choices"][0]["finish_reason"]) for c in chunks if c["choices"]]
    assert said == [(0, "a\n", None), (1, "b", None), (0, "", "stop"), (1, "", "length")]
    assert ["ninefold" in c for c in chunks] == [False] * (len(chunks) - 1) + [True]
    if include_usage:
        assert chunks[-1]["usage"]["completion_tokens"] == 7
        assert all(c["usage"] is None for c in chunks[:-1])
    else:
        assert all("usage" not in c for c in chunks)


def test_an_answer_that_never_finished_has_no_last_event():
    encoder = Encoder(model="m", result_id="id-1", created=7, include_usage=True)
    encoder.encode(TextDelta(text="half"))
    with pytest.raises(StreamInterrupted):
        encoder.finish()


def call(*, include=False):
    return ModelCall(
        operation=Operation.CHAT,
        wire=Wire.OPENAI_COMPLETIONS,
        model="fast",
        body=body(prompt=["a", "b"]),
        stream=True,
        include_usage=include,
    )


def chunk(text, index=0, finish=None, **more):
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "gpt-x-2025", "choices": [choice]} | more, separators=(",", ":")).encode() + b"\n\n"


STREAM = [chunk("Hel"), chunk("wörld", 1), chunk("lo"), chunk("", 1, "stop"), chunk("!", 0, "length")]
USAGE_CHUNK = chunk("", choices=[], usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})
DONE = b"data: [DONE]\n\n"


@relaxed
@given(cuts=st.lists(st.integers(0, 1500), max_size=10), include=st.booleans())
def test_any_split_of_a_stream_gives_the_same_answer(cuts, include):
    data = b"".join([*STREAM, USAGE_CHUNK, DONE])
    scan = CompletionScan(call(include=include))
    out = b""
    for a, b in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        got = scan.feed(data[a:b])
        assert not got or got.endswith(b"\n\n")
        out += got
    scan.end()
    whole = out + scan.tail.with_member(b'"ninefold":1')
    assert whole.endswith(DONE)
    seen = [json.loads(payload) for _, payload in EventReader().feed(whole) if payload != b"[DONE]"]
    assert len(seen) == 5 + include
    assert {c["model"] for c in seen} == {"fast"}
    assert "".join(c["choices"][0]["text"] for c in seen if c["choices"]) == "Helwörldlo!"
    assert ["ninefold" in c for c in seen] == [False] * (len(seen) - 1) + [True]
    assert (scan.usage.input_tokens, scan.usage.output_tokens, scan.usage.estimated) == (9, 3, False)


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_that_ends_before_every_choice_did_is_no_answer(length):
    for done in (b"", DONE):
        scan = CompletionScan(call())
        with pytest.raises(StreamInterrupted):
            _ = scan.feed(b"".join(STREAM[:length]) + done), scan.end()
        assert not scan.complete
        assert scan.usage.estimated


def test_an_error_in_the_stream_is_ours():
    scan = CompletionScan(call())
    scan.feed(STREAM[0])
    with pytest.raises(Unavailable):
        scan.feed(b'data: {"error":{"message":"x","type":"server_error"}}\n\n')


def test_a_request_and_an_answer_that_pass():
    sent = json.loads(passthrough.request(call(), "gpt-x"))
    assert sent == {"model": "gpt-x", "prompt": ["a", "b"], "stream_options": {"include_usage": True}}
    answer = {
        "id": "c",
        "model": "gpt-x-2025",
        "choices": [{"text": "a", "index": 0}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 1},
    }
    found = passthrough.response(call(), json.dumps(answer).encode())
    assert json.loads(found.body.plain()) == answer | {"model": "fast"}
    assert (found.usage.input_tokens, found.usage.output_tokens) == (4, 1)
