"""MiniLM sentence vectors with onnxruntime on one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.adapters.minilm.build import build_in_child
from ninefold.adapters.minilm.source import DIMENSIONS, MAX_TOKENS, ModelSource, find_source
from ninefold.domain.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    session: Any
    tokenizer: Any


class MiniLmEmbedder:
    """`ports.embedder.Embedder` over the installed MiniLM weights; may be called from several threads at once.

    The model is built if need be and loaded at the first use (about 0.4 s, 110 MB), and given back by `unload_idle`. Each text runs
    alone: dynamic int8 scales depend on the whole batch, so that a text's row moved to cosine 0.986 beside long neighbours, and
    batches of 4 or 16 measured 0 to 25% slower than one at a time on one thread.
    """

    def __init__(self, data_dir: Path, *, source: ModelSource | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source or find_source()
        self._data_dir = data_dir
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._used_s = clock()
        self.model_id: str = self._source.model_id
        self.dimensions: int = DIMENSIONS

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory now."""
        return self._loaded is not None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """vectors: float32 [len(texts), 384], L2-normalised; the first 256 tokens of a text count. About 4 CPU-ms a sentence."""
        model = self._model()
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            ids = np.array([_token_ids(model, text)], dtype=np.int64)
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            rows[row] = model.session.run(None, feed)[0][0]
            self._used_s = self._clock()
        return rows

    def count_tokens(self, texts: Sequence[str]) -> int:
        model = self._model()
        return sum(len(_token_ids(model, text)) for text in texts)

    def count_text_tokens(self, text: str) -> int:
        """How many word pieces `text` has, however long it is, without special tokens: a count for usage, not for the model."""
        return len(self._model().tokenizer.encode(text, add_special_tokens=False).ids)

    def unload_idle(self, idle_s: float) -> bool:
        """Whether the weights were given back now, because nobody used them for `idle_s`; the next use loads them again."""
        with self._lock:
            if self._loaded is None or self._clock() - self._used_s < idle_s:
                return False
            self._loaded = None
            return True

    def _model(self) -> _Loaded:
        self._used_s = self._clock()
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._source, self._data_dir)
            return self._loaded


SEPARATOR_ID = 102  # [SEP] of the BERT vocabulary, which ends every input
MAX_CHARACTERS = 16_384  # far more than 256 tokens of any language; tokenising a megabyte took a second


def _token_ids(model: _Loaded, text: str) -> list[int]:
    ids: list[int] = model.tokenizer.encode(text[:MAX_CHARACTERS]).ids
    return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], SEPARATOR_ID]


def _load(source: ModelSource, data_dir: Path) -> _Loaded:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra, 0.3 s to import
        from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
    except ImportError as missing:
        raise Unavailable(f"The extra `embed` is not installed ({missing.name} is missing): pip install 'ninefold[embed]'.") from missing
    built = build_in_child(data_dir, source)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Without the arena the memory of a long text is given back; it costs nothing measurable at one text a run.
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(str(built.path), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(source.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _Loaded(session=session, tokenizer=tokenizer)
