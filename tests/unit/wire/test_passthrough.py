"""The pass-through: it goes to one model alone, climbs nowhere, counts what it can, and never ends a cut stream cleanly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import InvalidRequest, NinefoldError, NotFound, StreamInterrupted, Unsupported
from ninefold.wire.multipart import Part, parse, write
from ninefold.wire.passthrough import answer, request
from ninefold.wire.passthrough.scan import PassedScan

CHAT = {"model": "on-openai", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9, "n": 2, "unknown": [1]}


def read(path: str = "on-openai/chat/completions", body: bytes = b"", **more: str):
    given = {"method": "POST", "query": "", "content_type": "application/json"} | more
    return request.read(path=path, body=body, **given)


def test_what_bounds_its_cost_is_read_and_nothing_else() -> None:
    call = read(body=json.dumps(CHAT).encode(), query="api-version=1")
    assert (call.operation, call.model, call.path) == ("passthrough", "on-openai", "/chat/completions?api-version=1")
    assert (call.max_output_tokens, call.choices, call.stream) == (9, 2, False)
    assert request.target(call, "gpt-5") == b"/chat/completions?api-version=1"
    assert json.loads(request.body(call, "gpt-5")[0]) == CHAT | {"model": "gpt-5"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-5-pro"}',
        b'{"model":"gpt-5","model":"gpt-5-pro"}',
        b'{"mod\\u0065l":"gpt-5-pro"}',
        b'{"model":5}',
        b' {"model": "x"}',
    ],
)
def test_another_model_cannot_be_named(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request.body(read(body=body), "gpt-5")
    assert refused.value.param == "model"


def test_a_repeated_member_leaves_once() -> None:
    sent, _ = request.body(read(body=b'{"model":"gpt-5-pro","model":"gpt-5"}'), "gpt-5")
    assert sent == b'{"model":"gpt-5"}'


def test_a_form_cannot_name_another_model_either() -> None:
    body, content_type = write([Part(name="model", data=b"gpt-5-pro")])
    with pytest.raises(Unsupported):
        request.body(read(body=body, content_type=content_type), "gpt-5")
    body, content_type = write([Part(name="model", data=b"on-openai"), Part(name="x", data=b"y")])
    sent = parse(*request.body(read(body=body, content_type=content_type), "gpt-5"))
    assert sent == [Part(name="model", data=b"gpt-5"), Part(name="x", data=b"y")]


@pytest.mark.parametrize("body", [b"\x00\x01", b"[1,2]", b"text with model in it", b'{"messages":[]}'])
def test_other_bytes_pass_untouched(body: bytes) -> None:
    assert request.body(read(body=body, content_type="text/plain"), "gpt-5") == (body, "text/plain")


@pytest.mark.parametrize(
    ("path", "model", "sent"),
    [
        ("g/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("g/v1beta/models/g:generateContent", "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("b/model/amazon.nova-lite-v1%3A0/converse", "amazon.nova-lite-v1:0", "/model/amazon.nova-lite-v1%3A0/converse"),
        ("b/model/b/converse", "amazon.nova-lite-v1:0", "/model/amazon.nova-lite-v1%3A0/converse"),
    ],
)
def test_a_path_names_the_model_in_the_vendors_words(path, model, sent) -> None:
    assert request.target(read(path), model).decode() == sent


@pytest.mark.parametrize(
    "path", ["g/v1beta/models/gemini-2.5-pro:generateContent", "g/v1/batches", "g/fine_tuning/jobs", "g/messages/batches", "g/v1/%62atches"]
)
def test_a_path_to_another_model_or_to_later_spending_is_refused(path) -> None:
    with pytest.raises(Unsupported):
        request.target(read(path), "gemini-2.5-flash")


@pytest.mark.parametrize(
    "path", ["m/../x", "m/a/..", "m/%2e%2e/x", "m/%252e%252e/x", "m/a/..%2f..%2fx", "m/a%5c..%5cx", "m/./x", "m/a%0d%0ax"]
)
def test_no_path_climbs(path) -> None:
    with pytest.raises(InvalidRequest):
        read(path)


@pytest.mark.parametrize("path", ["", "m", "m/", "/x"])
def test_a_path_has_a_model_and_more(path) -> None:
    with pytest.raises(NotFound):
        read(path)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}}, (5, 2, 3)),
        ({"usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 1}}, (9, 2, 3)),
        ({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 4}}, (5, 6, 0)),
        ([{"usageMetadata": {"promptTokenCount": 5}}, {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2}}], (5, 2, 0)),
        ({"data": [], "usage": {"total_tokens": 4}}, (4, 0, 0)),
    ],
)
def test_the_tokens_of_every_known_vendor_are_counted(body, tokens) -> None:
    usage = answer.whole(read(body=b"{}"), 200, b"application/json", json.dumps(body).encode()).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == tokens
    assert not usage.estimated


def test_what_reports_nothing_is_estimated_and_what_is_no_text_is_unpriced() -> None:
    text = answer.whole(read(body=b"x" * 40), 200, b"text/plain", b"y" * 20).usage
    assert (text.input_tokens, text.output_tokens, text.estimated, text.unmetered) == (10, 5, True, False)
    assert answer.whole(read(body=b"x" * 40), 200, b"image/png", b"y" * 20).usage.unmetered
    assert answer.whole(read(method="GET"), 200, b"application/json", b"[]" * 40).usage.output_tokens == 0
    assert answer.whole(read(body=b"x" * 40), 404, b"application/json", b"{}").usage.input_tokens == 0


def test_bytes_come_back_as_they_are() -> None:
    got = answer.whole(read(body=b"{}"), 201, b"application/json", b' {"a" : 1} ')
    assert (got.status, got.body.with_member(b'"n":1')) == (201, b' {"a" : 1} ')


@pytest.mark.parametrize(
    ("status", "passed"), [(200, True), (204, True), (404, True), (422, True), (401, False), (429, False), (302, False), (500, False)]
)
def test_which_answers_are_the_callers(status, passed) -> None:
    assert answer.given_on(status) is passed


STREAMS = {
    "openai": (
        [
            b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\r\n\r\n',
            b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
            b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n',
            b"data: [DONE]\n\n",
        ],
        (4, 2),
    ),
    "anthropic": (
        [
            b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":4,"output_tokens":1}}}\n\n',
            b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}\n\n',
            b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n',
            b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        ],
        (4, 2),
    ),
    "responses": (
        [
            b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n',
            b'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":4,"output_tokens":2}}}\n\n',
        ],
        (4, 2),
    ),
    "gemini": (
        [
            b'data: {"candidates":[{"content":{}}],"usageMetadata":{"promptTokenCount":4}}\n\n',
            b'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2}}\n\n',
        ],
        (4, 2),
    ),
}


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
def test_a_stream_passes_whole_however_it_is_cut(name, data) -> None:
    events, tokens = STREAMS[name]
    everything = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(everything)), max_size=6)))
    scan = PassedScan(read(body=b"{}"))
    out = b"".join(scan.feed(everything[a:b]) for a, b in zip([0, *cuts], [*cuts, len(everything)], strict=True))
    scan.end()
    assert scan.complete
    assert out + scan.tail.plain() == everything.replace(b"\r\n", b"\n")
    assert (scan.usage.input_tokens, scan.usage.output_tokens) == tokens


@pytest.mark.parametrize("name", STREAMS)
def test_a_known_stream_that_stops_early_was_cut_short(name) -> None:
    scan = PassedScan(read(body=b"{}"))
    scan.feed(STREAMS[name][0][0])
    with pytest.raises(StreamInterrupted):
        scan.end()


def test_a_stream_that_nobody_knows_ends_where_it_ends() -> None:
    scan = PassedScan(read(body=b"x" * 8))
    assert scan.feed(b"data: hello\n\n: ping\n\n") == b"data: hello\n\n: ping\n\n"
    scan.end()
    assert (scan.complete, scan.tail.with_member(b'"x":1'), scan.usage.output_tokens, scan.usage.estimated) == (True, b"", 1, True)


@given(path=st.text(max_size=30), body=st.binary(max_size=60))
def test_nothing_but_typed_refusals(path, body) -> None:
    refused: NinefoldError | None = None
    try:
        request.body(read(path.encode("utf-8", "replace").decode("latin-1").replace("?", ""), body), "m")
    except NinefoldError as error:
        refused = error
    assert refused is None or refused.code in {"not_found", "invalid_request", "unsupported"}
