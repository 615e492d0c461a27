"""Reranking and moderations: what is read of a request, what goes to a vendor, and what its answer costs."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.errors import InvalidRequest, Unsupported, UpstreamRejected
from ninefold.domain.rerank import Ranked
from ninefold.wire.openai.moderations import passthrough as moderations
from ninefold.wire.openai.rerank import passthrough, request, response

GOOD = {"model": "ranker", "query": "fees", "documents": ["a", {"text": "b", "id": 7}], "top_n": 1, "max_chunks_per_doc": 3}


def body(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not None}).encode()


def test_a_request_keeps_what_nobody_here_knows() -> None:
    call = passthrough.read(body())
    assert (call.operation, call.model, call.max_output_tokens) == ("rerank", "ranker", 0)
    assert json.loads(passthrough.request(call, "jina-v2")) == GOOD | {"model": "jina-v2"}


def test_a_model_that_pairs_query_and_document_reads_the_query_once_a_document() -> None:
    query, documents = "q" * 1000, ["d"] * 50
    call = passthrough.read(body(query=query, documents=documents))
    assert call.input_tokens_bound >= len(query) * len(documents) + len(documents)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"query": None}, "query"),
        ({"query": 5}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": "x"}, "documents"),
        ({"documents": [5]}, "documents[0]"),
        ({"top_n": 0}, "top_n"),
    ],
)
@pytest.mark.parametrize("read", [passthrough.read, request.decode])
def test_what_is_wrong_is_named(read, changes, param) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(body(**changes, max_chunks_per_doc=None))
    assert refused.value.param == param


def test_a_model_must_be_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        passthrough.read(body(model=""))
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    ("more", "tokens", "estimated"),
    [
        ({"usage": {"total_tokens": 9}}, 9, False),
        ({"usage": {"total_tokens": 9, "prompt_tokens": 8}}, 8, False),
        ({"meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 5}}}, 5, False),
        ({}, 25, True),
    ],
)
def test_an_answer_has_our_name_and_its_tokens(more, tokens, estimated) -> None:
    call = passthrough.read(body())
    results = [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]
    got = passthrough.response(call, json.dumps({"id": "x", "model": "jina-v2", "results": results} | more).encode())
    assert json.loads(got.body.plain()) == {"id": "x", "model": "ranker", "results": results} | more
    assert got.usage.estimated is estimated
    if not estimated:
        assert got.usage.input_tokens == tokens
    assert json.loads(got.body.with_member(b'"n":1'))["n"] == 1


def test_an_answer_that_is_no_order_is_refused() -> None:
    with pytest.raises(UpstreamRejected):
        passthrough.response(passthrough.read(body()), b'{"results":[{"index":"x"}]}')


def test_the_worker_names_what_only_other_models_know() -> None:
    with pytest.raises(Unsupported) as refused:
        request.decode(body())
    assert refused.value.param == "max_chunks_per_doc"


def test_the_workers_answer_is_cut_and_shows_documents_only_where_asked() -> None:
    asked = request.decode(body(max_chunks_per_doc=None, return_documents=True))
    told = json.loads(response.encode(asked, [Ranked(index=1, score=0.9), Ranked(index=0, score=0.1)], scorer="cosine", tokens=4))
    assert told["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]
    assert (told["scorer"], told["usage"]["prompt_tokens"]) == ("cosine", 4)


def test_moderations_name_their_model_and_count_pictures() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    call = moderations.read(json.dumps({"model": "watch", "input": [{"type": "text", "text": "x"}, picture]}).encode())
    assert call.needs == {"images"}
    assert call.input_tokens_bound > 50_000
    assert json.loads(moderations.request(call, "omni"))["model"] == "omni"
    got = moderations.response(call, b'{"id":"m","model":"omni-2024","results":[{"flagged":false}]}')
    assert json.loads(got.body.plain()) == {"id": "m", "model": "watch", "results": [{"flagged": False}]}
    with pytest.raises(InvalidRequest) as refused:
        moderations.read(b'{"input":"x"}')
    assert refused.value.param == "model"
