"""Embeddings by InvokeModel, in Titan's words and Cohere's."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.embedding import EmbeddingRequest
from ninefold.domain.errors import Unsupported, UpstreamRejected
from ninefold.wire.bedrock.embeddings import request, response
from ninefold.wire.dialects.bedrock import BedrockDialect

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"
NEWER = "eu.cohere.embed-v4:0"


def encoded(model: str, *texts: str, **more) -> dict:
    return json.loads(request.encode(EmbeddingRequest(model="v", texts=texts, **more), model=model))


def test_titan_takes_one_text():
    assert encoded(TITAN, "hello") == {"inputText": "hello"}
    more = {"dimensions": 256, "extra": (("normalize", "false"),)}
    assert encoded(TITAN, "hello", **more) == {"inputText": "hello", "dimensions": 256, "normalize": False}


def test_cohere_takes_many_and_is_told_what_for():
    assert encoded(COHERE, "a", "b") == {"texts": ["a", "b"], "input_type": "search_document"}
    asked = encoded(NEWER, "a", dimensions=512, extra=(("input_type", '"search_query"'),))
    assert asked == {"texts": ["a"], "input_type": "search_query", "output_dimension": 512}


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        (TITAN, {"texts": ("a", "b")}, "input"),
        (TITAN, {"token_ids": ((1, 2),)}, "input"),
        (TITAN, {"texts": ("a",), "user": "u"}, "user"),
        (TITAN, {"texts": ("a",), "extra": (("input_type", '"x"'),)}, "input_type"),
        ("amazon.titan-embed-text-v1", {"texts": ("a",), "dimensions": 256}, "dimensions"),
        (COHERE, {"texts": ("a",), "dimensions": 256}, "dimensions"),
        (COHERE, {"texts": ("a",) * 97}, "input"),
        (COHERE, {"texts": ("a",), "extra": (("input_type", '"image"'),)}, "input_type"),
        ("amazon.nova-lite-v1:0", {"texts": ("a",)}, "model"),
    ],
)
def test_what_a_model_does_not_take_is_named(model, more, param):
    with pytest.raises(Unsupported) as refused:
        request.encode(EmbeddingRequest(model="v", **more), model=model)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("body", "vectors", "tokens", "estimated"),
    [
        ({"embedding": [1.0, 2], "inputTextTokenCount": 7, "embeddingsByType": {"float": [1.0, 2]}}, ((1.0, 2.0),), 7, False),
        ({"embeddings": [[1.0], [2.0]], "id": "x", "response_type": "embeddings_floats"}, ((1.0,), (2.0,)), 3, True),
        ({"embeddings": {"float": [[1.0], [2.0]]}, "response_type": "embeddings_by_type"}, ((1.0,), (2.0,)), 3, True),
    ],
)
def test_answers(body, vectors, tokens, estimated):
    found = response.decode(json.dumps(body).encode(), model="v", sent_bytes=9)
    assert found.vectors == vectors
    assert (found.usage.input_tokens, found.usage.estimated) == (tokens, estimated)


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"embedding":["x"]}', b'{"embeddings":{"int8":[[1]]}}'])
def test_what_holds_no_vectors_is_refused(body):
    with pytest.raises(UpstreamRejected):
        response.decode(body, model="v", sent_bytes=1)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_an_openai_callers_answer(encoding):
    body = json.dumps({"model": "vectors", "input": "hello", "encoding_format": encoding}).encode()
    call = ModelCall(operation=Operation.EMBEDDINGS, wire=Wire.OPENAI, model="vectors", body=body)
    sent = BedrockDialect().outbound(call, TITAN, 1)
    assert sent.target == b"/model/amazon.titan-embed-text-v2%3A0/invoke"
    got = BedrockDialect().whole(call, b'{"embedding":[0.5,-1.0],"inputTextTokenCount":2}')
    document = json.loads(got.body.with_member(b'"x":1'))
    assert (document["model"], document["usage"]["prompt_tokens"], document["x"]) == ("vectors", 2, 1)
    found = document["data"][0]["embedding"]
    assert (found if encoding == "float" else list(struct.unpack("<2f", base64.b64decode(found)))) == [0.5, -1.0]
    assert got.usage.input_tokens == 2
