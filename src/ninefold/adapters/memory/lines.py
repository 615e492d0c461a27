"""Logs of lines in memory: for tests."""

from __future__ import annotations

from ninefold.ports.line_log import checked_name


class MemoryLineLog:
    """A `LineLog`."""

    def __init__(self) -> None:
        self._logs: dict[str, bytes] = {}

    async def append(self, name: str, data: bytes) -> None:
        self._logs[checked_name(name)] = self._logs.get(name, b"") + data

    async def read(self, prefix: str) -> tuple[tuple[str, bytes], ...]:
        checked_name(prefix)
        return tuple((name, data) for name, data in sorted(self._logs.items()) if name.startswith(prefix))

    async def drop(self, prefix: str) -> None:
        checked_name(prefix)
        self._logs = {name: data for name, data in self._logs.items() if not name.startswith(prefix)}
