"""What is being answered right now, so that a revocation reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from ninefold.domain.errors import Killed


class Killable(Protocol):
    """Something under way that can be ended."""

    def kill(self, detail: str) -> None:
        """It ends with a Killed error as soon as it can."""
        ...


class Waiting:
    """A task that waits for an answer; `kill` cancels it."""

    __slots__ = ("_detail", "_task")

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self._task = task
        self._detail: str | None = None

    def kill(self, detail: str) -> None:
        """See `Killable`."""
        if self._task is not None and self._detail is None:
            self._detail = detail
            self._task.cancel()

    def cause(self, error: BaseException) -> BaseException:
        """Why the task ends with `error`: a Killed error where it was cancelled by `kill` alone, else `error` itself."""
        if self._detail is None or self._task is None or not isinstance(error, asyncio.CancelledError) or self._task.uncancel():
            return error
        return Killed(self._detail)


class InFlight:
    """Everything under way in this process, by the key that asked for it."""

    def __init__(self) -> None:
        self._by_key: dict[str, set[Killable]] = {}
        self._killed: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many answers are on their way to their callers."""
        return sum(not isinstance(what, Waiting) for running in self._by_key.values() for what in running)

    def wait(self, key_id: str) -> Waiting:
        """The calling task waits for an answer, until it says `leave`. Raises: Killed where the key was killed after it was accepted."""
        if key_id in self._killed:
            raise Killed(self._killed[key_id])
        waiting = Waiting(asyncio.current_task())
        self.enter(key_id, waiting)
        return waiting

    def enter(self, key_id: str, what: Killable) -> None:
        """`what` is under way."""
        running = self._by_key.get(key_id)
        if running is None:
            self._by_key[key_id] = {what}
        else:
            running.add(what)

    def leave(self, key_id: str, what: Killable) -> None:
        """`what` has ended."""
        running = self._by_key.get(key_id)
        if running is not None:
            running.discard(what)
            if not running:
                del self._by_key[key_id]

    def kill_key(self, key_id: str, detail: str) -> int:
        """How many requests of this key were told to end; those that were accepted and have not begun to wait are refused then."""
        self._killed[key_id] = detail
        running = tuple(self._by_key.get(key_id, ()))
        for what in running:
            what.kill(detail)
        return len(running)

    def readmit(self, key_ids: Iterable[str]) -> None:
        """These keys are good again: the file declares them anew."""
        for key_id in key_ids:
            self._killed.pop(key_id, None)

    def keys(self) -> tuple[str, ...]:
        """The keys that have something under way."""
        return tuple(self._by_key)
