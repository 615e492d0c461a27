"""Gemini's embeddings, in both directions."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.embedding import EmbeddingRequest, EmbeddingResult
from ninefold.domain.errors import InvalidRequest, Unsupported, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.gemini.embeddings import request, response


def test_a_batch_survives_a_round_trip():
    asked = EmbeddingRequest(model="m", texts=("a", "b"), dimensions=5)
    assert request.decode(request.encode(asked, model="x"), "m") == asked
    single = b'{"content":{"parts":[{"text":"a"},{"text":"b"}]},"output_dimensionality":5}'
    assert request.decode(single, "m") == EmbeddingRequest(model="m", texts=("ab",), dimensions=5)


def test_what_has_no_word_stands_under_its_path():
    body = {"requests": [{"content": {"parts": [{"text": "a"}]}, "taskType": "SEMANTIC_SIMILARITY"}]}
    assert request.decode(json.dumps(body).encode(), "m").extra == (("requests[0].taskType", '"SEMANTIC_SIMILARITY"'),)
    with pytest.raises(Unsupported) as tokens:
        request.encode(EmbeddingRequest(model="m", token_ids=((1,),)), model="x")
    assert tokens.value.param == "input"
    sizes = [{"content": {"parts": [{"text": "a"}]}, "outputDimensionality": n} for n in (1, 2)]
    with pytest.raises(InvalidRequest):
        request.decode(json.dumps({"requests": sizes}).encode(), "m")
    with pytest.raises(InvalidRequest) as missing:
        request.decode(b'{"requests":[{}]}', "m")
    assert missing.value.param == "requests[0].content"


@pytest.mark.parametrize("batch", [True, False])
def test_vectors_survive_a_round_trip(batch):
    result = EmbeddingResult(model="m", vectors=((1.0, 0.5),), usage=Usage(input_tokens=3))
    assert response.decode(response.encode(result, batch=batch), model="m", sent_bytes=0) == result


def test_usage_is_estimated_where_none_is_told():
    found = response.decode(b'{"embeddings":[{"values":[1]}]}', model="m", sent_bytes=9)
    assert found.usage == Usage(input_tokens=3, estimated=True)
    with pytest.raises(UpstreamRejected):
        response.decode(b"{}", model="m", sent_bytes=0)
