"""A witness that is a file: on another disk, in a git working copy, in a mounted bucket."""

from __future__ import annotations

import os
from pathlib import Path

from ninefold.adapters.audit_files.groups import append_durably
from ninefold.domain.errors import Unavailable


class FileWitness:
    """Implements `ninefold.ports.witness.Witness` with `path`; where that is a folder, with the file `name` in it."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name

    def remember(self, note: str) -> None:
        kept = self.notes()
        if kept.endswith(note):
            return
        path = self._file()
        try:
            if not path.parent.is_dir():
                # A mount that is not there must not be replaced by an empty folder that looks like it.
                raise Unavailable(f"the audit witness's folder {path.parent} is not there")
            torn = len(kept) - kept.rfind("\n") - 1
            if torn:
                os.truncate(path, len(kept[:-torn].encode()))
            append_durably(path, note.encode())
        except OSError as error:
            raise Unavailable(f"the audit witness {path} cannot be written: {error.strerror}") from error

    def notes(self) -> str:
        path = self._file()
        try:
            return path.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise Unavailable(f"the audit witness {path} cannot be read: {error.strerror}") from error

    def _file(self) -> Path:
        return self._path / self._name if self._path.is_dir() else self._path
