"""A journal that forgets with its process: the fake of tests that need no files."""

from __future__ import annotations

import msgspec


class MemoryJournal:
    """Implements `ninefold.ports.journal.Journal`; `committed` holds the payloads a reader would see."""

    def __init__(self) -> None:
        self.committed: list[bytes] = []
        self.sequence = 0
        self._pending: list[bytes] = []
        self._encode = msgspec.msgpack.Encoder().encode

    def append(self, record: object) -> int:
        self._pending.append(self._encode(record))
        self.sequence += 1
        return self.sequence

    def commit(self) -> None:
        self.committed += self._pending
        self._pending = []

    async def synced(self, sequence: int) -> None:
        del sequence  # memory is as stable as it gets
