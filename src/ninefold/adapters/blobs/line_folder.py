"""Logs of lines as files in one folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ninefold.domain.errors import Unavailable
from ninefold.ports.line_log import checked_name


class FolderLineLog:
    """A `LineLog`; one process writes to a log, any may read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def append(self, name: str, data: bytes) -> None:
        await asyncio.to_thread(self._append, checked_name(name), data)

    async def read(self, prefix: str) -> tuple[tuple[str, bytes], ...]:
        return await asyncio.to_thread(self._read, checked_name(prefix))

    async def drop(self, prefix: str) -> None:
        await asyncio.to_thread(self._drop, checked_name(prefix))

    def _append(self, name: str, data: bytes) -> None:
        path = self._folder / name
        try:
            fresh = not path.exists()
            if fresh:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if fresh:
                self._sync_folder()
        except OSError as error:
            raise Unavailable(f"log {name} could not be written: {error.strerror}") from error

    def _sync_folder(self) -> None:
        entries = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)

    def _read(self, prefix: str) -> tuple[tuple[str, bytes], ...]:
        try:
            return tuple((path.name, path.read_bytes()) for path in sorted(self._folder.glob(f"{prefix}*")))
        except OSError as error:
            raise Unavailable(f"logs {prefix} could not be read: {error.strerror}") from error

    def _drop(self, prefix: str) -> None:
        try:
            for path in self._folder.glob(f"{prefix}*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"logs {prefix} could not be removed: {error.strerror}") from error
