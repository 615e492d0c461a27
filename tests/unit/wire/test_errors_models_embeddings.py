from __future__ import annotations

import json
import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.embedding import EmbeddingRequest, EmbeddingResult
from ninefold.domain.errors import InvalidRequest, Unsupported, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.anthropic import errors as anthropic_errors
from ninefold.wire.anthropic import models as anthropic_models
from ninefold.wire.anthropic.count_tokens import response as count
from ninefold.wire.openai import errors as openai_errors
from ninefold.wire.openai import models as openai_models
from ninefold.wire.openai.embeddings import request, response
from ninefold.wire.sse import EventReader

from .answers import relaxed, words


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}',
            ("Incorrect API key provided", "invalid_request_error", "invalid_api_key", ""),
        ),
        (b'{"error":{"message":"m","type":"BadRequestError","param":"n","code":400}}', ("m", "BadRequestError", "400", "n")),
        (b'{"object":"error","message":"m","type":"NotFoundError","code":404}', ("m", "NotFoundError", "404", "")),
        (b'{"error":"model not found"}', ("model not found", "", "", "")),
        (b'{"detail":"Not Found"}', ("Not Found", "", "", "")),
        (b"<h1>502 Bad Gateway</h1>\n", ("<h1>502 Bad Gateway</h1>", "", "", "")),
        (b'"text"', ("text", "", "", "")),
        (b"[1]", ("", "", "", "")),
        (b"", ("", "", "", "")),
    ],
)
def test_openai_errors_are_read_in_any_shape(body, expected):
    assert openai_errors.decode(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', ("Overloaded", "overloaded_error", "", "")),
        (
            b'{"type":"error","error":{"type":"x","message":"m","details":{"error_code":"c"}},"request_id":"r"}',
            ("m", "x", "c", ""),
        ),
        (b"upstream connect error", ("upstream connect error", "", "", "")),
        (b'{"error":7}', ('{"error":7}', "", "", "")),
    ],
)
def test_anthropic_errors_are_read_in_any_shape(body, expected):
    assert anthropic_errors.decode(body) == expected


@relaxed
@given(body=st.binary(max_size=40) | words.map(lambda w: json.dumps({"error": {"message": w}}).encode()))
def test_reading_an_error_never_fails(body):
    for read in (openai_errors.decode, anthropic_errors.decode):
        assert all(isinstance(part, str) for part in read(body))


def test_errors_are_written_as_the_vendors_do():
    body = openai_errors.encode("m", type="invalid_request_error", code="unsupported", param="n")
    assert json.loads(body) == {"error": {"message": "m", "type": "invalid_request_error", "param": "n", "code": "unsupported"}}
    assert openai_errors.decode(body) == ("m", "invalid_request_error", "unsupported", "n")
    empty = openai_errors.encode("m", type="t", code="", param=None)
    assert json.loads(empty)["error"] == {"message": "m", "type": "t", "param": None, "code": None}
    assert EventReader().feed(openai_errors.encode_event("m", type="t", code=None, param=None)) == [("", empty)]
    other = anthropic_errors.encode("m", type="api_error", request_id="req_1", code="unavailable")
    assert json.loads(other) == {
        "type": "error",
        "error": {"type": "api_error", "message": "m", "details": {"error_code": "unavailable"}},
        "request_id": "req_1",
    }
    assert EventReader().feed(anthropic_errors.encode_event("m", type="t", request_id="r")) == [
        ("error", anthropic_errors.encode("m", type="t", request_id="r"))
    ]


def test_models_are_listed_as_the_vendors_do():
    models = [("fast", 0), ("smart", 1_700_000_000)]
    assert json.loads(openai_models.encode_list(models)) == {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": at, "owned_by": "ninefold"} for name, at in models],
    }
    assert json.loads(openai_models.encode_one("fast", 0))["id"] == "fast"
    found = json.loads(anthropic_models.encode_list(models))
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("fast", "smart", False)
    assert found["data"][1]["created_at"] == "2023-11-14T22:13:20Z"
    assert json.loads(anthropic_models.encode_one("fast", 0))["type"] == "model"
    assert json.loads(anthropic_models.encode_list([])) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_counts():
    assert count.decode(count.encode(2095)) == 2095
    with pytest.raises(UpstreamRejected):
        count.decode(b'{"input_tokens":-1}')


@relaxed
@given(
    texts=st.lists(words, min_size=1, max_size=3).map(tuple),
    ids=st.lists(st.lists(st.integers(0, 10**5), min_size=1, max_size=3).map(tuple), min_size=1, max_size=2).map(tuple),
    tokens=st.booleans(),
    dimensions=st.none() | st.integers(1, 2048),
    encoding=st.sampled_from(["float", "base64"]),
    user=st.none() | words,
)
def test_embedding_requests_lose_nothing(texts, ids, tokens, dimensions, encoding, user):
    asked = EmbeddingRequest(
        model="m", texts=() if tokens else texts, token_ids=ids if tokens else (), dimensions=dimensions, encoding=encoding, user=user
    )
    assert request.decode(request.encode(asked, model="m")) == asked


@pytest.mark.parametrize(
    ("body", "texts", "token_ids"),
    [(b'"x"', ("x",), ()), (b'["x","y"]', ("x", "y"), ()), (b"[1,2]", (), ((1, 2),)), (b"[[1],[2,3]]", (), ((1,), (2, 3)))],
)
def test_every_shape_of_input(body, texts, token_ids):
    found = request.decode(b'{"model":"m","input":' + body + b"}")
    assert (found.texts, found.token_ids) == (texts, token_ids)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":["a",1]}', "input"),
        (b'{"model":"m","input":{"a":1}}', "input"),
        (b'{"input":"a"}', "model"),
        (b'{"model":"m","input":"a","encoding_format":"hex"}', "encoding_format"),
        (b'{"model":"m","input":"a","dimensions":0}', "dimensions"),
    ],
)
def test_an_invalid_embedding_request_names_the_field(body, param):
    with pytest.raises(InvalidRequest) as caught:
        request.decode(body)
    assert caught.value.param == param


def test_an_unknown_member_is_refused_not_dropped():
    with pytest.raises(Unsupported) as caught:
        request.encode(request.decode(b'{"model":"m","input":"a","truncate":true}'), model="m")
    assert caught.value.param == "truncate"


@relaxed
@given(
    vectors=st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=4).map(tuple), max_size=3).map(tuple),
    encoding=st.sampled_from(["float", "base64"]),
)
def test_vectors_lose_nothing(vectors, encoding):
    result = EmbeddingResult(model="m", vectors=vectors, usage=Usage(input_tokens=8))
    assert response.decode(response.encode(result, model="m", encoding=encoding)) == result


def test_vectors_are_put_in_order_and_base64_is_little_endian():
    data = b64encode(struct.pack("<2f", 1.0, -2.5)).decode()
    body = json.dumps({"data": [{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": data}], "model": "m"}).encode()
    assert response.decode(body).vectors == ((1.0, -2.5), (0.5,))


@pytest.mark.parametrize("data", ['[{"index":1,"embedding":[1]}]', '[{"embedding":"AAA"}]', '[{"embedding":"AAAAAAA="}]', "{}"])
def test_what_is_no_list_of_embeddings_is_refused(data):
    with pytest.raises(UpstreamRejected):
        response.decode(b'{"data":' + data.encode() + b"}")
