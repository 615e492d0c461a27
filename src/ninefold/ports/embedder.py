"""How text becomes vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """A text embedding model.

    Laws (tests/contracts/test_embedder.py): one row a text, in order; rows have length one; the same text gives the same row whatever
    stands beside it in the batch (cosine ≥ 0.999).
    On failure: Unavailable.
    """

    model_id: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """vectors: float32 [len(texts), dimensions], L2-normalised."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens the model reads of `texts`, special tokens included."""
        ...
