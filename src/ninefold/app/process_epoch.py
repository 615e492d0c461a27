"""Numbers and names for processes: a number is never used twice in one data directory, a name never twice at once anywhere."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ninefold.domain.errors import Internal

_BLOCK = 1000


def node_id(data_dir: Path) -> str:
    """The name of this data directory among all that share a database: eight hex digits, made at the first call; needs its lock."""
    path = data_dir / "run" / "node"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = secrets.token_hex(4)
        _write_durably(path, name)
        return name


class EpochCounter:
    """Counts up, across restarts and power cuts too; call with the data directory's lock held.

    A block of numbers is reserved on stable storage at once, so that a restart of a child waits for no fsync; what a supervisor did
    not use of its block is skipped.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "run" / "epoch"
        self._next = 0
        self._reserved = 0

    def next(self) -> int:
        """A number larger than all before. Raises: Internal where the file does not hold a number."""
        if self._next >= self._reserved:
            self._reserve()
        self._next += 1
        return self._next

    def _reserve(self) -> None:
        try:
            self._next = int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            self._next = 0
        except ValueError as error:
            raise Internal(
                f"{self._path} does not hold a number: write one there that is larger than every epoch in the ledger."
            ) from error
        self._reserved = self._next + _BLOCK
        _write_durably(self._path, str(self._reserved))


def _write_durably(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
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
