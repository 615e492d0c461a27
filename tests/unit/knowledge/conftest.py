from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.adapters.minilm.embedder import MiniLmEmbedder


@pytest.fixture(scope="session")
def embedder() -> MiniLmEmbedder:
    """The real model, built once into a folder that all test processes share."""
    return MiniLmEmbedder(Path(__file__).parents[3] / "build" / "test-models")
