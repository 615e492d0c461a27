"""Reranking by the worker's own embedding model: texts that are near the query in meaning come first."""

from __future__ import annotations

from ninefold.domain.rerank import Ranked, RerankRequest
from ninefold.ports.embedder import Embedder
from ninefold.wire.openai.rerank import response


def reranked(embedder: Embedder, request: RerankRequest) -> bytes:
    """The answer; a score is the cosine of the two vectors, and the answer says so. Equal scores keep the caller's order.

    Cost: one embedding of the query and of each document.
    """
    texts = (request.query, *request.documents)
    vectors = embedder.embed(texts)
    scores: list[float] = (vectors[1:] @ vectors[0]).tolist()
    ranked = sorted((Ranked(index=index, score=score) for index, score in enumerate(scores)), key=_best_first)
    return response.encode(request, ranked, scorer=f"cosine of {embedder.model_id}", tokens=embedder.count_tokens(texts))


def _best_first(each: Ranked) -> tuple[float, int]:
    return -each.score, each.index
