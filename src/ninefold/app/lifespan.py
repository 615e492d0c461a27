"""The loops of a long-lived process: each is restarted when it fails, and each says how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ninefold.app.logging import Log

_FIRST_DELAY_S = 0.2
# Short, because what a loop is behind with may be a revocation.
_LONGEST_DELAY_S = 1.0


@dataclass(slots=True, kw_only=True)
class LoopState:
    """How a loop does. `failures` counts those in a row; `last_error` names the kind of the last one, never its text."""

    name: str
    running: bool = False
    rounds: int = 0
    failures: int = 0
    last_error: str | None = None


class Lifespan:
    """Named loops that run from `start` to `stop`.

    A loop is a step that is called again and again, `every_s` seconds after it returned. A step that raises is reported and called
    again after a delay that doubles from 0.2 s up to 1 s; the other loops do not notice. Failures in a row are reported at the first,
    second, fourth, eighth and so on.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._steps: list[tuple[LoopState, Callable[[], Awaitable[object]], float]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, step: Callable[[], Awaitable[object]], *, every_s: float) -> None:
        """`step` will run as the loop `name`; call before `start`."""
        self._steps.append((LoopState(name=name), step, every_s))

    def states(self) -> tuple[LoopState, ...]:
        """How each loop does, in the order they were added."""
        return tuple(state for state, _, _ in self._steps)

    @property
    def healthy(self) -> bool:
        """Whether every loop runs and succeeded the last time."""
        return all(state.running and state.failures == 0 for state in self.states())

    def start(self) -> None:
        """Every loop runs."""
        self._tasks = [asyncio.create_task(self._loop(state, step, every_s), name=state.name) for state, step, every_s in self._steps]

    async def stop(self, within_s: float = 5.0) -> None:
        """No loop runs any more; a step that does not heed its cancellation for `within_s` is left behind and reported."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=within_s)
            for task in pending:
                self._log.error("loop.stuck", loop=task.get_name())
        self._tasks = []

    async def _loop(self, state: LoopState, step: Callable[[], Awaitable[object]], every_s: float) -> None:
        state.running = True
        try:
            while True:
                try:
                    await step()
                except Exception as error:  # noqa: BLE001  # the boundary between a loop and its supervisor: reported and tried again
                    state.failures += 1
                    state.last_error = type(error).__name__
                    delay_s = min(_FIRST_DELAY_S * 2 ** min(state.failures - 1, 10), _LONGEST_DELAY_S)
                    if state.failures & (state.failures - 1) == 0:
                        self._log.error("loop.failed", loop=state.name, failures=state.failures, again_in_s=delay_s, exc=error)
                    await asyncio.sleep(delay_s)
                else:
                    state.rounds += 1
                    if state.failures:
                        self._log.info("loop.recovered", loop=state.name, failures=state.failures)
                    state.failures, state.last_error = 0, None
                    await asyncio.sleep(every_s)
        finally:
            state.running = False
