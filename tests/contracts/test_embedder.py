"""The laws of ports/embedder.py, and what the MiniLM build promises beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ninefold.adapters.minilm.build import build, find_built
from ninefold.adapters.minilm.embedder import MiniLmEmbedder
from ninefold.adapters.minilm.source import ModelSource, find_source
from ninefold.domain.errors import Unavailable
from ninefold.ports.embedder import Embedder

SAMPLES = (
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "How many days does a customer have to return a product?",
    "Die Rückgabefrist beträgt dreißig Tage.",
    "def hold(self, nanos: int) -> Hold: return self._store.try_hold(nanos)",
    "| region | revenue |\n| EMEA | 4.2 |",
    "The shear flow past a flat plate in an incompressible fluid of small viscosity. " * 20,
    "",
)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """One folder for all test processes: the build itself keeps them from building twice."""
    folder = Path(__file__).parents[2] / "build" / "test-models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def embedder(data_dir: Path) -> MiniLmEmbedder:
    return MiniLmEmbedder(data_dir)


def test_one_unit_row_a_text_in_order(embedder: Embedder) -> None:
    rows = embedder.embed(SAMPLES)
    assert rows.shape == (len(SAMPLES), embedder.dimensions)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    for text, row in zip(SAMPLES, rows, strict=True):
        assert float(embedder.embed([text])[0] @ row) >= 0.999


def test_neighbours_in_a_batch_change_nothing(embedder: Embedder) -> None:
    alone = embedder.embed(["A man is eating food."])[0]
    for others in (SAMPLES[6:7] * 3, ("zebra " * 250,), ("",)):
        crowded = embedder.embed([*others, "A man is eating food.", *others])[len(others)]
        assert float(alone @ crowded) >= 0.999


def test_no_text_gives_no_row(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)
    assert embedder.count_tokens([]) == 0


def test_the_published_similarity_comes_out(embedder: Embedder) -> None:
    food, bread, monkey = embedder.embed([SAMPLES[0], SAMPLES[1], "A monkey is playing drums."])
    # 0.7553 in float32 by the model's own documentation; int8 per channel stays within two hundredths.
    assert float(food @ bread) == pytest.approx(0.755, abs=0.02)
    assert float(food @ monkey) < 0.2


def test_int8_stays_close_to_float32(embedder: MiniLmEmbedder) -> None:
    import onnxruntime
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    from ninefold.adapters.minilm.graph import sentence_encoder

    source = find_source()
    exact = onnxruntime.InferenceSession(sentence_encoder(load_file(source.weights)).SerializeToString())
    tokenizer = Tokenizer.from_file(str(source.tokenizer))
    tokenizer.no_padding()
    texts = SAMPLES[:6]
    for text, row in zip(texts, embedder.embed(texts), strict=True):
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        reference = np.asarray(exact.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])[0]
        assert float(reference @ row) >= 0.985, text


def test_tokens_are_counted_with_the_special_ones_and_cut_at_the_maximum(embedder: Embedder) -> None:
    assert embedder.count_tokens([""]) == 2
    assert embedder.count_tokens(["food", "food"]) == 6
    assert embedder.count_tokens(["food " * 1000]) == 256


def test_only_what_the_model_reads_counts(embedder: Embedder) -> None:
    long, longer = embedder.embed(["food " * 300, "food " * 300 + "drums"])
    assert float(long @ longer) >= 0.9999


def test_the_model_is_given_back_when_idle_and_loads_again(data_dir: Path) -> None:
    now_s = 1000.0
    embedder = MiniLmEmbedder(data_dir, clock=lambda: now_s)
    assert not embedder.is_loaded
    before = embedder.embed(["bread"])
    now_s += 599.0
    assert not embedder.unload_idle(600.0)
    now_s += 1.0
    assert embedder.unload_idle(600.0)
    assert not embedder.is_loaded
    np.testing.assert_array_equal(embedder.embed(["bread"]), before)


def test_a_damaged_build_is_made_again(tmp_path: Path, data_dir: Path) -> None:
    source = find_source()
    whole = build(data_dir, source=source)
    folder = source.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "model.json").write_bytes((whole.path.parent / "model.json").read_bytes())
    (folder / "model.int8.onnx").write_bytes(whole.path.read_bytes()[:-1])
    assert find_built(source, tmp_path) is None
    again = build(tmp_path, source=source)
    assert again.sha256 == whole.sha256, "the build is reproducible"
    assert again.path.read_bytes() == whole.path.read_bytes()


def test_two_processes_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ninefold.adapters.minilm.build", "--data-dir", str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    printed = {process.communicate(timeout=110)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(printed) == 1
    left = sorted(path.name for path in (tmp_path / "models").iterdir())
    assert [name.endswith(".lock") for name in left] == [False, True], "no scratch folder stays"


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="requirements/embed-model"):
        find_source(tmp_path)


def test_the_model_id_names_weights_and_tokenizer(tmp_path: Path) -> None:
    def source(weights: bytes, tokenizer: bytes) -> ModelSource:
        (tmp_path / "model.safetensors").write_bytes(weights)
        (tmp_path / "tokenizer.json").write_bytes(tokenizer)
        return find_source(tmp_path)

    ids = {source(w, t).model_id for w, t in ((b"a", b"bc"), (b"ab", b"c"), (b"a", b"bd"), (b"b", b"bc"))}
    assert len(ids) == 4
