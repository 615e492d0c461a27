"""Reranking by the worker's embedding model."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ninefold.domain.rerank import RerankRequest
from ninefold.http.local_rerank import reranked


class Plane:
    """Texts as directions in a plane: `x`, `y`, and what lies between."""

    model_id = "plane"
    dimensions = 2

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        places = {"x": (1.0, 0.0), "y": (0.0, 1.0), "xy": (0.6, 0.8)}
        return np.array([places[text] for text in texts], dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(map(len, texts))


def test_the_nearest_come_first_and_equals_keep_their_order() -> None:
    told = json.loads(reranked(Plane(), RerankRequest(model="embed", query="x", documents=("y", "xy", "x", "y"))))
    assert [each["index"] for each in told["results"]] == [2, 1, 0, 3]
    assert [round(each["relevance_score"], 6) for each in told["results"]] == [1.0, 0.6, 0.0, 0.0]
    assert told["scorer"] == "cosine of plane"
    assert told["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


def test_no_more_than_asked_for() -> None:
    told = json.loads(reranked(Plane(), RerankRequest(model="embed", query="y", documents=("x", "y", "xy"), top_n=2)))
    assert [each["index"] for each in told["results"]] == [1, 2]
