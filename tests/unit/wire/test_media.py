"""Pictures, transcriptions and speech: the model's name is changed, everything else passes; who reports no tokens bills otherwise."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.errors import InvalidRequest, StreamInterrupted
from ninefold.wire.multipart import Part, parse, write
from ninefold.wire.openai.media import passthrough as media
from ninefold.wire.passthrough.scan import PassedScan

WAV = b"RIFF\x00\x00\r\n--boundary\r\nmodel"
PICTURE = {"model": "draw", "prompt": "a cat", "n": 3, "output_format": "webp"}


def audio(*more: Part) -> tuple[bytes, str]:
    return write([Part(name="model", data=b"ears"), Part(name="file", data=WAV, filename="a.wav", content_type="audio/wav"), *more])


def test_a_form_goes_on_under_the_vendors_name_and_nothing_else_changes() -> None:
    given = (Part(name="language", data=b"de"), Part(name="timestamp_granularities[]", data=b"word"))
    body, content_type = audio(*given)
    call = media.read_audio(body, content_type, "/v1/audio/transcriptions")
    assert (call.operation, call.model, call.path, call.stream) == ("transcription", "ears", "/audio/transcriptions", False)
    sent = parse(*media.request(call, "whisper-1"))
    assert sent == [Part(name="model", data=b"whisper-1"), *parse(body, content_type)[1:]]


def test_a_hold_for_a_recording_is_not_absurd() -> None:
    body, content_type = write([Part(name="model", data=b"m"), Part(name="file", data=b"\x00" * 2_000_000, filename="a.wav")])
    assert media.read_audio(body, content_type, "/v1/audio/translations").input_tokens_bound < 110_000


def test_two_models_are_one_too_many() -> None:
    with pytest.raises(InvalidRequest) as refused:
        media.read_audio(*audio(Part(name="model", data=b"other")), "/v1/audio/transcriptions")
    assert refused.value.param == "model"


def test_a_picture_from_words() -> None:
    call = media.read_picture(json.dumps(PICTURE).encode(), "application/json", "/v1/images/generations")
    assert (call.operation, call.choices, call.max_output_tokens) == ("images", 3, None)
    body, content_type = media.request(call, "gpt-image-1")
    assert (json.loads(body), content_type) == (PICTURE | {"model": "gpt-image-1"}, "")


def test_a_picture_from_pictures() -> None:
    body, content_type = write([
        Part(name="model", data=b"draw"), Part(name="prompt", data=b"blue"), Part(name="n", data=b"2"),
        Part(name="image[]", data=b"png", filename="1.png", content_type="image/png"),
    ])  # fmt: skip
    call = media.read_picture(body, content_type, "/v1/images/edits")
    assert (call.choices, call.path) == (2, "/images/edits")
    assert call.input_tokens_bound >= 50_000
    assert [part.data for part in parse(*media.request(call, "gpt-image-1"))] == [b"gpt-image-1", b"blue", b"2", b"png"]


@pytest.mark.parametrize(("n", "param"), [(0, "n"), (129, "n"), ("x", "n")])
def test_the_number_of_pictures_is_bounded(n, param) -> None:
    with pytest.raises(InvalidRequest) as refused:
        media.read_picture(json.dumps(PICTURE | {"n": n}).encode(), "application/json", "/v1/images/generations")
    assert refused.value.param == param
    body, content_type = write([Part(name="model", data=b"draw"), Part(name="n", data=str(n).encode())])
    with pytest.raises(InvalidRequest):
        media.read_picture(body, content_type, "/v1/images/edits")


def spoken(**more: object):
    return media.read_speech(json.dumps({"model": "mouth", "input": "hello", "voice": "alloy"} | more).encode(), "/v1/audio/speech")


def test_sound_comes_back_as_it_is_and_is_unpriced() -> None:
    got = media.response(spoken(), b'{"looks like": "json"}')
    assert got.body.with_member(b'"x":1') == b'{"looks like": "json"}'
    assert got.content_type == "application/octet-stream"
    assert got.usage.unmetered
    assert got.usage.estimated


@pytest.mark.parametrize(
    ("answer", "tokens", "unmetered"),
    [
        ({"text": "hi", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}}, (14, 3), False),
        ({"text": "hi", "usage": {"type": "duration", "seconds": 3}}, (0, 0), True),
        ({"text": "hi"}, (0, 0), True),
    ],
)
def test_a_transcription_costs_what_its_vendor_counts(answer, tokens, unmetered) -> None:
    got = media.response(media.read_audio(*audio(), "/v1/audio/transcriptions"), json.dumps(answer).encode())
    assert (got.usage.input_tokens, got.usage.output_tokens) == tokens
    assert got.usage.unmetered is unmetered
    assert json.loads(got.body.with_member(b'"ninefold":{}')) == answer | {"ninefold": {}}


def test_a_transcription_may_be_a_text() -> None:
    got = media.response(media.read_audio(*audio(), "/v1/audio/transcriptions"), b"1\n00:00 --> 00:01\nhi\n")
    assert got.body.with_member(b'"x":1') == b"1\n00:00 --> 00:01\nhi\n"
    assert got.content_type.startswith("text/plain")


def test_a_streamed_transcription_holds_its_last_event_back_and_counts_it() -> None:
    call = media.read_audio(*audio(Part(name="stream", data=b"true")), "/v1/audio/transcriptions")
    assert call.stream
    scan = PassedScan(call)
    first = b'data: {"type":"transcript.text.delta","delta":"hi"}\n\n'
    last = b'data: {"type":"transcript.text.done","text":"hi","usage":{"type":"tokens","input_tokens":9,"output_tokens":2}}\n\n'
    assert scan.feed(first) == first
    with pytest.raises(StreamInterrupted):
        scan.end()
    assert scan.usage.unmetered
    assert scan.feed(last[:20]) + scan.feed(last[20:]) == b""
    assert (scan.complete, scan.tail.with_member(b'"x":1')) == (True, last)
    assert (scan.usage.input_tokens, scan.usage.output_tokens, scan.usage.unmetered) == (9, 2, False)
