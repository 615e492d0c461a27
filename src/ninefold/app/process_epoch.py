"""Numbers for processes, never used twice in one data directory."""

from __future__ import annotations

import os
from pathlib import Path

from ninefold.domain.errors import Internal

_BLOCK = 1000


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
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".new")
        with draft.open("w", encoding="ascii") as file:
            file.write(str(self._reserved))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
