"""One batch from its claim to its end, by the process that claimed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ninefold.app.batch_calls import BatchCalls
from ninefold.domain.batch import BatchProblem, BatchStatus
from ninefold.domain.errors import Internal, NotFound, Unavailable
from ninefold.http.file_shelf import FileShelf
from ninefold.ports.batch_store import BatchStore, Claimed
from ninefold.ports.line_log import LineLog
from ninefold.wire.openai.batches import lines
from ninefold.wire.openai.batches.lines import Line

LEASE_S = 15.0
_RENEW_S = 2.0
_GROUP_S = 0.05
_WHY = {
    BatchStatus.EXPIRED: ("batch_expired", "This request could not be executed before the completion window expired."),
    BatchStatus.CANCELLED: ("batch_cancelled", "The batch was cancelled before this request was made."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTools:
    """What a run works with. `slots` bounds the calls that all runs of this process have under way."""

    store: BatchStore
    shelf: FileShelf
    log: LineLog
    calls: BatchCalls
    slots: asyncio.Semaphore
    wall: Callable[[], float]


class BatchRun:
    """A claimed batch. Its answers stand in logs before they count, so that whoever goes on after a crash loses none and asks none anew."""

    def __init__(self, tools: BatchTools, claimed: Claimed) -> None:
        self.batch = claimed.batch
        self._tools = tools
        self._claimed = claimed
        self._prefix = f"{self.batch.batch_id}."
        self._log = f"{self._prefix}{claimed.epoch:08d}"
        self._fresh: list[tuple[bool, bytes]] = []
        self._completed, self._failed = self.batch.completed, self.batch.failed
        self._all_answered = False
        self._stopping = False
        self._saving = asyncio.Lock()

    def stop(self) -> None:
        """No further line is begun; `run` ends when those under way have, and another process may go on."""
        self._stopping = True

    async def run(self) -> None:
        """The batch is over, or given back. Raises: an ExceptionGroup of Conflict where another process has it now, or of Unavailable."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew())
            try:
                await self._work()
            finally:
                renewing.cancel()
        if not self.batch.over:
            await self._tools.store.release(self._claimed)

    async def _work(self) -> None:
        asked = await self._read()
        if asked is None:
            return
        done, failed, known = await self._told()
        self._completed, self._failed = len(done), len(failed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            await self._ask([line for line in asked if line.custom_id not in known])
            self._all_answered = True
        if self._stopping and not self._ending():
            return
        await self._finish(self._ending() or BatchStatus.COMPLETED, asked)
        await self._tools.log.drop(self._prefix)

    async def _read(self) -> list[Line] | None:
        """What is asked; None where the batch cannot begin, and says why."""
        tools, batch = self._tools, self.batch
        try:
            data = await tools.shelf.content(await tools.store.file(batch.tenant, batch.input_file_id))
        except NotFound:
            asked, problems = list[Line](), [BatchProblem(code="file_not_found", message="The input file is not there any more.")]
        except Unavailable:
            if self._ending() is None:
                raise  # tried again by whoever claims it next, until its time is over
            asked, problems = list[Line](), [BatchProblem(code="file_unreadable", message="The input file could not be read.")]
        else:
            asked, problems = await asyncio.to_thread(lines.parse, data, batch.endpoint)
        if problems:
            await self._save(BatchStatus.FAILED, problems=tuple(problems))
            return None
        await self._save(BatchStatus.IN_PROGRESS if batch.status is BatchStatus.VALIDATING else None, total=len(asked))
        return asked

    async def _told(self) -> tuple[list[bytes], list[bytes], set[str]]:
        """The lines of the output and of the errors that stand in the logs, and whose they are."""
        logs = await self._tools.log.read(self._prefix)
        known: set[str] = set()
        done = await asyncio.to_thread(lines.merged, [data for name, data in logs if name.endswith(".output")], known)
        failed = await asyncio.to_thread(lines.merged, [data for name, data in logs if name.endswith(".error")], known)
        return done, failed, known

    async def _ask(self, waiting: list[Line]) -> None:
        """Every line that was begun has its answer."""
        slots = self._tools.slots
        async with asyncio.TaskGroup() as group:
            for line in waiting:
                await slots.acquire()
                if not self._going():
                    slots.release()
                    return
                # Not in the task itself: one that is cancelled before its first step never gets to its `finally`.
                group.create_task(self._one(line)).add_done_callback(lambda _: slots.release())

    async def _one(self, line: Line) -> None:
        told = await self._tools.calls.answer(self.batch, line, self._going)
        self._fresh.append(told)  # a list that was looked up before the wait may have been written already

    def _going(self) -> bool:
        return not self._stopping and self._ending() is None

    def _ending(self) -> BatchStatus | None:
        """Why no further line is asked: the batch's own end, not this process's."""
        if self.batch.status is BatchStatus.CANCELLING:
            return BatchStatus.CANCELLED
        return BatchStatus.EXPIRED if self._tools.wall() >= self.batch.expires_at else None

    async def _write(self) -> None:
        """Answers go to stable storage in groups, until all of them are there."""
        while not self._all_answered or self._fresh:
            fresh, self._fresh = self._fresh, []
            done = [text for ok, text in fresh if ok]
            failed = [text for ok, text in fresh if not ok]
            if done:
                await self._tools.log.append(f"{self._log}.output", b"".join(done))
            if failed:
                await self._tools.log.append(f"{self._log}.error", b"".join(failed))
            self._completed += len(done)
            self._failed += len(failed)
            if not (self._all_answered or self._fresh):
                await asyncio.sleep(_GROUP_S)

    async def _finish(self, final: BatchStatus, asked: list[Line]) -> None:
        if final is BatchStatus.COMPLETED:
            await self._save(BatchStatus.FINALIZING)
        done, failed, known = await self._told()
        self._completed, self._failed = len(done), len(failed)
        if final is BatchStatus.COMPLETED and len(known) < len(asked):
            raise Internal("lines of a batch are missing from its logs: it is not complete")
        if final in _WHY:
            code, message = _WHY[final]
            failed += [lines.not_asked(self.batch.batch_id, line, code, message) for line in asked if line.custom_id not in known]
        output, errors = await self._keep("output", done), await self._keep("error", failed)
        await self._save(final, output_file_id=output, error_file_id=errors)

    async def _keep(self, kind: str, told: list[bytes]) -> str | None:
        if not told:
            return None
        batch = self.batch
        # Of the batch's own name: whoever finishes after a crash makes the same file, not a second one.
        file_id = f"file-{batch.batch_id.removeprefix('batch_')}-{kind}"
        await self._tools.shelf.keep(batch.tenant, file_id, f"{batch.batch_id}_{kind}.jsonl", f"batch_{kind}", b"".join(told))
        return file_id

    async def _save(self, status: BatchStatus | None = None, **changes: Any) -> None:
        """The batch stands as it is now, and the claim holds. Raises: Conflict, Unavailable."""
        async with self._saving:
            batch, now = self.batch, self._tools.wall()
            if status is not None:
                changes |= {"status": status, "reached": tuple((dict(batch.reached) | {status.value: now}).items())}
            wanted = replace(batch, completed=self._completed, failed=self._failed, **changes)
            self.batch = await self._tools.store.save(self._claimed, wanted, now + LEASE_S)

    async def _renew(self) -> None:
        """The claim holds, progress is told, and a wish to cancel is heard. Raises: Conflict; Unavailable once the claim has ended."""
        until = self._tools.wall() + LEASE_S
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self._save()
                until = self._tools.wall() + LEASE_S
            except Unavailable:
                if self._tools.wall() >= until:
                    raise
