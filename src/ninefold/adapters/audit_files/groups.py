"""Files that only grow, and how they grow durably."""

from __future__ import annotations

import os
from pathlib import Path

from ninefold.domain.errors import Conflict

# Leaves, or hashes, of one file: 256 tiles.
GROUP = 65_536
HASH_BYTES = 32


def group_path(folder: Path, kind: str, number: int) -> Path:
    """The file of one group; `kind` is "leaves" or "tiles/LEVEL"."""
    return folder / kind / (f"{number:06d}.ndjson" if kind == "leaves" else f"{number:06d}")


def append_durably(path: Path, data: bytes) -> None:
    """`data` stands at the end of the file, on stable storage."""
    fresh = not path.exists()
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        sync_folder(path.parent)
        sync_folder(path.parent.parent)


def replace_durably(path: Path, data: bytes) -> None:
    """The file holds `data`, or what it held before; never anything else."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def cut(path: Path, size_bytes: int) -> None:
    """The file has no more than `size_bytes`. Raises: Conflict where it has less."""
    found = path.stat().st_size if path.exists() else 0
    if found < size_bytes:
        raise Conflict(f"{path} ends at byte {found}, and {size_bytes} were written: `ninefold audit verify` says what is missing")
    if found > size_bytes:
        with path.open("r+b") as file:
            file.truncate(size_bytes)
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Names that were added to the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
