"""What is being answered right now, so that a revocation reaches it."""

from __future__ import annotations

from typing import Protocol


class Killable(Protocol):
    """Something under way that can be ended."""

    def kill(self, detail: str) -> None:
        """It ends with a Killed error as soon as it can."""
        ...


class InFlight:
    """Everything under way in this process, by the key that asked for it."""

    def __init__(self) -> None:
        self._by_key: dict[str, set[Killable]] = {}
        self.count = 0

    def enter(self, key_id: str, what: Killable) -> None:
        """`what` is under way."""
        self._by_key.setdefault(key_id, set()).add(what)
        self.count += 1

    def leave(self, key_id: str, what: Killable) -> None:
        """`what` has ended."""
        running = self._by_key.get(key_id)
        if running is not None and what in running:
            running.discard(what)
            self.count -= 1
            if not running:
                del self._by_key[key_id]

    def kill_key(self, key_id: str, detail: str) -> int:
        """How many requests of this key were told to end."""
        running = tuple(self._by_key.get(key_id, ()))
        for what in running:
            what.kill(detail)
        return len(running)

    def keys(self) -> tuple[str, ...]:
        """The keys that have something under way."""
        return tuple(self._by_key)
