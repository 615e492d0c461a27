"""The embedding model built once: float32 weights in, an int8 ONNX file out. Run as a program: `python -m ninefold.adapters.minilm.build`.

Quantised per channel with a reduced range: cosine to float32 is 0.993 on average, where onnxruntime's plain int8 drifts to 0.937.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ninefold.adapters.minilm.source import RECIPE, ModelSource, find_source
from ninefold.domain.errors import Unavailable

BUILD_DEADLINE_S = 300.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModel:
    """A model ready to load; `sha256` is that of the file's bytes, checked when the file was found."""

    path: Path
    sha256: str


def find_built(source: ModelSource, data_dir: Path) -> BuiltModel | None:
    """The built model if it is there and whole; None where it has to be built (again)."""
    folder = source.folder(data_dir)
    model = folder / "model.int8.onnx"
    try:
        stated = msgspec.json.decode((folder / "model.json").read_bytes(), type=dict[str, str])["sha256"]
        with model.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, KeyError, msgspec.DecodeError):
        return None
    return BuiltModel(path=model, sha256=stated) if found == stated else None


def build(data_dir: Path, *, source: ModelSource | None = None, say: Say = lambda _: None) -> BuiltModel:
    """The built model, made by this process unless it was there or another process made it meanwhile (about 8 s and 600 MB of memory)."""
    origin = source or find_source()
    if built := find_built(origin, data_dir):
        return built
    folder = origin.folder(data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        return find_built(origin, data_dir) or _build(origin, data_dir, say)


def build_in_child(data_dir: Path, source: ModelSource) -> BuiltModel:
    """As `build`, in a process of its own, so that the memory the build takes is given back. Raises: Unavailable where it failed."""
    if built := find_built(source, data_dir):
        return built
    command = [sys.executable, "-m", "ninefold.adapters.minilm.build", "--data-dir", str(data_dir), "--weights", str(source.weights.parent)]
    try:
        done = subprocess.run(command, timeout=BUILD_DEADLINE_S, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own interpreter and module
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"Building the embedding model took longer than {BUILD_DEADLINE_S:.0f} s.", retry_after_s=60) from late
    built = find_built(source, data_dir)
    if built is None:
        raise Unavailable(
            f"The embedding model could not be built (exit status {done.returncode}); run `ninefold doctor`.", retry_after_s=60
        )
    return built


def _build(source: ModelSource, data_dir: Path, say: Say) -> BuiltModel:
    from safetensors.numpy import load_file  # noqa: PLC0415 - an extra, needed by the build alone

    from ninefold.adapters.minilm.graph import sentence_encoder  # noqa: PLC0415 - imports onnx, needed by the build alone

    started_s = time.monotonic()
    folder = source.folder(data_dir)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".minilm-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        say("Building the embedding model, once: reading weights …")
        model = sentence_encoder(load_file(source.weights))
        say("Building the embedding model, once: quantising …")
        quantise(model, made / "model.int8.onnx")
        with (made / "model.int8.onnx").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        description = {"sha256": digest, "model_id": source.model_id, "recipe": RECIPE}
        (made / "model.json").write_bytes(msgspec.json.encode(description))
        if folder.exists():  # a damaged one: moved into the scratch folder, which goes away
            folder.rename(Path(scratch) / "damaged")
        made.rename(folder)
    say(f"Built the embedding model in {time.monotonic() - started_s:.0f} s: {folder}")
    return BuiltModel(path=folder / "model.int8.onnx", sha256=digest)


def quantise(model: Any, target: Path) -> None:
    """`target` holds `model` with int8 weights, one scale an output channel."""
    import logging  # noqa: PLC0415 - only to quiet the library below

    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - an extra, needed by the build alone

    # The library logs advice about shape inference to the root logger; it does not apply to a graph without it.
    quiet = logging.getLogger()
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        quantize_dynamic(model, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    finally:
        quiet.setLevel(before)


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> None:
    """The model is built under `--data-dir`; prints where it lies."""
    parser = argparse.ArgumentParser(prog="python -m ninefold.adapters.minilm.build", description="Build the embedding model, once.")
    parser.add_argument("--data-dir", type=Path, default=Path(".ninefold"))
    parser.add_argument("--weights", type=Path, default=None, help="a folder with model.safetensors and tokenizer.json")
    options = parser.parse_args(arguments)
    say: Say = (lambda line: print(line, file=sys.stderr, flush=True)) if sys.stderr.isatty() else (lambda _: None)  # noqa: T201 - a program's progress
    built = build(options.data_dir, source=find_source(options.weights), say=say)
    sys.stdout.write(f"{built.path}\n")


if __name__ == "__main__":
    main()
