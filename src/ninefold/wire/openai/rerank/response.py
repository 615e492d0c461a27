"""The answer of our own worker to a rerank request."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ninefold.domain.rerank import Ranked, RerankRequest


def encode(request: RerankRequest, ranked: Sequence[Ranked], *, scorer: str, tokens: int) -> bytes:
    """The best first, and how the scores were made."""
    results: list[dict[str, object]] = []
    for each in ranked[: request.top_n]:
        result: dict[str, object] = {"index": each.index, "relevance_score": each.score}
        if request.with_documents:
            result["document"] = {"text": request.documents[each.index]}
        results.append(result)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "model": request.model, "scorer": scorer, "results": results, "usage": usage})
