"""An audit log that forgets with its process: the fake of tests that need no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ninefold.domain.errors import Conflict
from ninefold.ports.audit_log import Standing

_HASH_BYTES = 32


class MemoryAuditLog:
    """Implements `ninefold.ports.audit_log.AuditLog`."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._levels: dict[int, bytes] = {}
        self._notes = ""
        self._standing: Standing | None = None
        self._has_writer = False

    def open(self) -> Standing:
        if self._has_writer:
            raise Conflict("this audit log has a writer already")
        self._has_writer = True
        return self._standing or Standing()

    def append(self, leaves: Sequence[bytes], hashes: Mapping[int, bytes], standing: Standing) -> None:
        assert self._has_writer
        self._leaves += leaves
        for level, data in hashes.items():
            self._levels[level] = self._levels.get(level, b"") + data
        if self._standing is None or standing.note != self._standing.note:
            self._notes += standing.note
        self._standing = standing

    def close(self) -> None:
        self._has_writer = False

    def standing(self) -> Standing | None:
        return self._standing

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        yield from self._leaves[start:stop]

    def hashes(self, level: int, start: int, stop: int) -> bytes:
        return self._levels.get(level, b"")[start * _HASH_BYTES : stop * _HASH_BYTES]

    def notes(self) -> str:
        return self._notes
