"""The name of this data directory among all that share a database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def node_id(data_dir: Path) -> str:
    """Eight hex digits, made at the first call and kept; call with the data directory's lock held."""
    path = data_dir / "run" / "node"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = secrets.token_hex(4)
        # A name that changed after a power cut would leave the journals written under it without their worker.
        _write_durably(path, name)
        return name


def _write_durably(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
