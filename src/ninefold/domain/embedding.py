"""Texts in, vectors out, in no vendor's words."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Texts to embed, or token ids where the caller tokenised them. `encoding` is "float" or "base64" (little-endian float32)."""

    model: str
    texts: tuple[str, ...] = ()
    token_ids: tuple[tuple[int, ...], ...] = ()
    dimensions: int | None = None
    encoding: str = "float"
    user: str | None = None
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingResult:
    """One vector a text, in the order of the texts."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = NO_USAGE
