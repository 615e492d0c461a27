"""Documents put in order by how well they answer a query."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """`top_n` is how many of the documents are wanted back, None for all; `with_documents` asks for their texts too."""

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    with_documents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The place of a document in the request, and its score; scores of one answer can be compared, those of two models cannot."""

    index: int
    score: float
