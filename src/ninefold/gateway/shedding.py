"""How much runs at once in one worker, and who waits or is turned away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import LoadRules

# The order is that of `LoadRules.queue_s`.
PRIORITIES: Final = ("low", "normal", "high")
_NORMAL: Final = 1
_RETRY_AFTER_S: Final = 1.0


class Place:
    """What one request takes up; it is given back once, however often `leave` is called. That of no gate takes up nothing."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate | None) -> None:
        self._gate = gate

    def leave(self) -> None:
        """The next one may come in."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.left()


class Gate:
    """At most `max_in_flight` requests are inside; the others wait in line by priority, then by arrival, each as long as its priority may.

    Nobody who waits is passed by one of the same priority who came later; a lower priority gets a place only where no higher one waits,
    and its wait is bounded all the same.
    """

    def __init__(self, rules: LoadRules) -> None:
        self._rules = rules
        self._lines: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in PRIORITIES)
        self.inside = 0
        self.shed = 0

    @property
    def bounded(self) -> bool:
        """Whether there is a bound at all; where there is none, nobody needs a place."""
        return self._rules.max_in_flight is not None

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return sum(len(line) for line in self._lines)

    def use(self, rules: LoadRules) -> None:
        """From now on `rules` hold; who is inside stays, who waits is let in where there is more room now."""
        self._rules = rules
        self._admit()

    async def enter(self, claimed: str, most: str) -> Place:
        """A place for a request of priority `claimed` ("" claims nothing) of a tenant whose requests have at most `most`.

        Raises: Unavailable where the wait was too long, at once where its priority may not wait.
        """
        priority = effective(claimed, most)
        if self._has_room() and not any(self._lines[priority:]):
            self.inside += 1
            return Place(self)
        patience_s = self._rules.queue_s[priority]
        if patience_s > 0:
            await self._served(priority, patience_s)
            return Place(self)
        raise self._turned_away(priority)

    def left(self) -> None:
        """One of those inside has gone; a `Place` says so, nobody else."""
        self.inside -= 1
        self._admit()

    async def _served(self, priority: int, patience_s: float) -> None:
        line = self._lines[priority]
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(called)
        try:
            async with asyncio.timeout(patience_s):
                await called
        except TimeoutError:
            if called.done() and not called.cancelled():
                return  # called in the very moment in which the time ran out
            raise self._turned_away(priority) from None
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self.left()
            raise
        finally:
            if called in line:
                line.remove(called)

    def _turned_away(self, priority: int) -> Unavailable:
        self.shed += 1
        return Unavailable(
            f"Load was shed: this worker runs as many requests at once as it may, and those of {PRIORITIES[priority]} priority wait "
            f"{self._rules.queue_s[priority]:g} s at most. Try again later.",
            retry_after_s=max(self._rules.queue_s[priority], _RETRY_AFTER_S),
        )

    def _has_room(self) -> bool:
        most = self._rules.max_in_flight
        return most is None or self.inside < most

    def _admit(self) -> None:
        for line in reversed(self._lines):
            while line and self._has_room():
                called = line.popleft()
                if not called.done():
                    self.inside += 1
                    called.set_result(None)


def effective(claimed: str, most: str) -> int:
    """The priority that counts, as a place in `PRIORITIES`: what is claimed, but never more than `most`; where nothing is, `most`."""
    bound = PRIORITIES.index(most) if most in PRIORITIES else _NORMAL
    return min(PRIORITIES.index(claimed), bound) if claimed in PRIORITIES else bound
