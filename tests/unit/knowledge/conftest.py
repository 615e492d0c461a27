from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ninefold.adapters.minilm.embedder import MiniLmEmbedder


class RememberingEmbedder:
    """The real model, which embeds each text once: the suites ask many questions of one text."""

    def __init__(self, model: MiniLmEmbedder) -> None:
        self.model_id = model.model_id
        self.dimensions = model.dimensions
        self._model = model
        self._rows: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            if text not in self._rows:
                self._rows[text] = self._model.embed([text])[0]
        return np.stack([self._rows[text] for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> int:
        return self._model.count_tokens(texts)


@pytest.fixture(scope="session")
def embedder() -> RememberingEmbedder:
    """The model is built once, into a folder that all test processes share."""
    return RememberingEmbedder(MiniLmEmbedder(Path(__file__).parents[3] / "build" / "test-models"))
