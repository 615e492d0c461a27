"""The batches that this process works at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ninefold.app.batch_run import LEASE_S, BatchRun, BatchTools
from ninefold.app.logging import Log
from ninefold.domain.errors import Conflict

MAX_BATCHES = 4
MAX_CALLS = 8


class BatchRunner:
    """Claims batches that wait, as long as there is room, and sees each to its end; one that fails is left to whoever claims it next."""

    def __init__(self, tools: BatchTools, worker: str, log: Log, wall: Callable[[], float]) -> None:
        self._tools = tools
        self._worker = worker
        self._log = log
        self._wall = wall
        self._running: dict[asyncio.Task[None], BatchRun] = {}
        self._stopping = False

    async def step(self) -> None:
        """Batches that have ended are gone, and where there is room one that waits is begun. Raises: Unavailable."""
        for task in [task for task in self._running if task.done()]:
            self._ended(task, self._running.pop(task))
        if self._stopping or len(self._running) >= MAX_BATCHES:
            return
        now = self._wall()
        claimed = await self._tools.store.claim(self._worker, now, now + LEASE_S)
        if claimed is not None:
            run = BatchRun(self._tools, claimed)
            self._running[asyncio.create_task(run.run(), name=claimed.batch.batch_id)] = run
            self._log.info("batch.claimed", batch=claimed.batch.batch_id, epoch=claimed.epoch, status=claimed.batch.status.value)

    async def stop(self, within_s: float) -> None:
        """No batch runs here any more; calls under way have had `within_s` to end, and all that was answered is kept."""
        self._stopping = True
        for run in self._running.values():
            run.stop()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.wait(self._running)
        for task, run in self._running.items():
            self._ended(task, run)
        self._running = {}

    def _ended(self, task: asyncio.Task[None], run: BatchRun) -> None:
        batch = run.batch
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._log.info("batch.ended", batch=batch.batch_id, status=batch.status.value, completed=batch.completed, failed=batch.failed)
        elif isinstance(error, BaseExceptionGroup) and error.subgroup(Conflict) is not None:
            self._log.warning("batch.lost", batch=batch.batch_id)
        else:
            self._log.error("batch.failed", batch=batch.batch_id, exc=error)
