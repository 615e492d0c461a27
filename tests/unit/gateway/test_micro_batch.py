import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.gateway.micro_batch import shared_out
from ninefold.wire.openai.embeddings.joined import joined, separate, split


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.lists(st.integers(1, 10**5), min_size=1, max_size=64))
def test_the_shares_of_a_bill_are_the_bill(tokens, cached, weights):
    parts = shared_out(Usage(input_tokens=tokens, cached_input_tokens=cached, estimated=True), weights)
    assert sum(part.input_tokens for part in parts) == tokens
    assert sum(part.cached_input_tokens for part in parts) == cached
    assert all(part.estimated for part in parts)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.input_tokens - tokens * weight / sum(weights)) < 1


@given(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=3), min_size=1, max_size=6))
def test_what_was_joined_comes_apart_in_its_order(requests):
    parts = [separate(json.dumps({"model": "m", "input": texts}).encode()) for texts in requests]
    merged = json.loads(joined(parts))
    assert merged == {"model": "m", "input": [text for texts in requests for text in texts]}
    data = [{"object": "embedding", "index": n, "embedding": [float(n), 0.5]} for n in range(len(merged["input"]))]
    body = json.dumps({"object": "list", "model": "m", "data": data[::-1], "usage": {"prompt_tokens": 9, "total_tokens": 9}}).encode()
    answers = [json.loads(each.plain()) for each in split(body, [len(texts) for texts in requests], range(len(requests)))]
    place = 0
    for number, (texts, answer) in enumerate(zip(requests, answers, strict=True)):
        assert [vector["embedding"][0] for vector in answer["data"]] == list(range(place, place + len(texts)))
        assert [vector["index"] for vector in answer["data"]] == list(range(len(texts)))
        assert answer["usage"] == {"prompt_tokens": number, "total_tokens": number}
        assert (answer["object"], answer["model"]) == ("list", "m")
        place += len(texts)


def test_vectors_pass_as_they_were_written():
    packed = base64.b64encode(b"\x00\x01\x02\x03").decode()
    body = json.dumps({"data": [{"index": 0, "embedding": packed}], "usage": {}}).encode()
    assert json.loads(split(body, [1], [1])[0].plain())["data"][0]["embedding"] == packed
    body = b'{"data":[{"index":0,"embedding":[0.10000000000000000001]}],"usage":{}}'
    assert b"0.10000000000000000001" in split(body, [1], [1])[0].plain()


@pytest.mark.parametrize("indices", [[0], [0, 1, 2], [0, 0], [1, 2]])
def test_an_answer_that_does_not_fit_is_nobodys(indices):
    body = json.dumps({"data": [{"index": n, "embedding": [1.0]} for n in indices], "usage": {}}).encode()
    with pytest.raises(UpstreamRejected):
        split(body, [1, 1], [1, 1])


def test_only_requests_that_say_the_same_have_the_same_shape():
    def shape(**more):
        return separate(json.dumps({"model": "m", "input": "x"} | more).encode()).shape

    assert shape() == shape(input=["y", "z"]) == shape(metadata={"product": "p"})
    assert len({shape(), shape(dimensions=3), shape(encoding_format="base64"), shape(user="u"), shape(model="n")}) == 5


@pytest.mark.parametrize(
    "body", [b'{"model":"m","input":[1,2]}', b'{"model":"m","input":[[1]]}', b'{"model":"m"}', b'{"input":[]}', b"[", b"{}"]
)
def test_what_is_no_text_goes_alone(body):
    assert separate(body) is None
