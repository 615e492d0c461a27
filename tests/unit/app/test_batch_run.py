"""A batch in one process: what ends it, what gives it back, and what the next one finds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from ninefold.adapters.memory.batches import MemoryBatchStore
from ninefold.adapters.memory.blobs import MemoryBlobStore
from ninefold.adapters.memory.lines import MemoryLineLog
from ninefold.app import batch_run
from ninefold.app.batch_run import LEASE_S, BatchRun, BatchTools
from ninefold.app.batch_runner import BatchRunner
from ninefold.app.logging import Log
from ninefold.domain.batch import Batch, BatchStatus
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.http.file_shelf import FileShelf
from ninefold.wire.openai.batches import lines

LINES = 30


class Calls:
    """Answers every line at once, remembers it, and does what `then` says when so many were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at: dict[int, Callable[[], None]] = {}
        self.pause = asyncio.Event()
        self.pause.set()

    async def answer(self, batch: Batch, line: lines.Line, going: Callable[[], bool]) -> tuple[bool, bytes]:
        self.asked.append(line.custom_id)
        self.at.pop(len(self.asked), lambda: None)()
        await asyncio.sleep(0)
        await self.pause.wait()
        ok = int(line.custom_id) % 10 != 7
        return ok, lines.answered(batch.batch_id, line, 200 if ok else 400, "r", b'{"n":%s}' % line.custom_id.encode())


class FullDisk(MemoryLineLog):
    """A log whose disk is full at its `fails`-th append."""

    fails = 0
    appends = 0

    async def append(self, name: str, data: bytes) -> None:
        self.appends += 1
        if self.appends == self.fails:
            raise Unavailable("the disk is full")
        await super().append(name, data)


class Scene:
    def __init__(self) -> None:
        self.now = 1000.0
        self.store = MemoryBatchStore()
        self.shelf = FileShelf(store=self.store, blobs=MemoryBlobStore(), wall=lambda: self.now, new_id=lambda: "in")
        self.log = FullDisk()
        self.calls = Calls()

    async def begin(self, **changes: object) -> None:
        asked = [{"custom_id": str(n), "method": "POST", "url": "/v1/embeddings", "body": {}} for n in range(LINES)]
        file = await self.shelf.upload("acme", "in", "batch", "".join(json.dumps(each) + "\n" for each in asked).encode())
        fields = {
            "tenant": "acme", "batch_id": "batch_1", "key_id": "k", "endpoint": "/v1/embeddings", "input_file_id": file.file_id,
            "completion_window": "24h", "created_at": 1000.0, "expires_at": 9e4, "start_after": 1000.0,
        }  # fmt: skip
        await self.store.add_batch(Batch(**fields | changes))

    async def run(self, watch: Callable[[BatchRun], None] = lambda run: None) -> BatchRun:
        claimed = await self.store.claim("w", self.now, self.now + LEASE_S)
        assert claimed is not None
        run = BatchRun(self.tools(), claimed)
        watch(run)
        await run.run()
        return run

    def tools(self) -> BatchTools:
        return BatchTools(
            store=self.store, shelf=self.shelf, log=self.log, calls=self.calls, slots=asyncio.Semaphore(4), wall=lambda: self.now
        )

    async def told(self, file_id: str | None) -> list[str]:
        if file_id is None:
            return []
        data = await self.shelf.content(await self.store.file("acme", file_id))
        return [json.loads(line)["custom_id"] for line in data.splitlines()]

    async def stands(self) -> Batch:
        return await self.store.batch("acme", "batch_1")

    async def check_complete(self) -> None:
        batch = await self.stands()
        assert (batch.status, batch.total, batch.completed, batch.failed) == (BatchStatus.COMPLETED, LINES, 27, 3)
        output, errors = await self.told(batch.output_file_id), await self.told(batch.error_file_id)
        assert sorted(map(int, output + errors)) == list(range(LINES))
        assert sorted(errors) == ["17", "27", "7"]
        assert await self.log.read("batch_1.") == ()


def test_a_batch_comes_to_its_end() -> None:
    async def play() -> None:
        scene = Scene()
        await scene.begin()
        await scene.run()
        await scene.check_complete()
        assert list(dict((await scene.stands()).reached)) == ["in_progress", "finalizing", "completed"]
        assert await scene.store.claim("v", 2000.0, 2100.0) is None

    asyncio.run(play())


@pytest.mark.parametrize("after", [1, 5, 20])
def test_a_process_that_stops_gives_its_batch_back_and_nothing_is_asked_twice(after: int) -> None:
    async def play() -> None:
        scene = Scene()
        await scene.begin()
        await scene.run(lambda run: scene.calls.at.update({after: run.stop}))
        assert (await scene.stands()).status is BatchStatus.IN_PROGRESS
        assert after <= len(scene.calls.asked) < LINES
        await scene.run()
        assert sorted(map(int, scene.calls.asked)) == list(range(LINES))
        await scene.check_complete()

    asyncio.run(play())


@pytest.mark.parametrize("fails", [1, 2])
def test_a_full_disk_loses_no_line(fails: int) -> None:
    async def play() -> None:
        scene = Scene()
        scene.log.fails = fails
        await scene.begin()
        with pytest.raises(ExceptionGroup) as failed:
            await scene.run()
        assert failed.value.subgroup(Unavailable) is not None
        scene.now += LEASE_S
        await scene.run()
        await scene.check_complete()

    asyncio.run(play())


def test_an_expired_batch_keeps_what_it_has() -> None:
    async def play() -> None:
        scene = Scene()
        await scene.begin(expires_at=1500.0)
        scene.calls.at[10] = lambda: setattr(scene, "now", 1500.0)
        await scene.run()
        batch = await scene.stands()
        assert batch.status is BatchStatus.EXPIRED
        output, errors = await scene.told(batch.output_file_id), await scene.told(batch.error_file_id)
        assert sorted(map(int, output + errors)) == list(range(LINES))
        assert 9 <= len(output) < LINES
        assert (batch.completed, batch.failed) == (len(output), 1)

    asyncio.run(play())


def test_who_lost_its_claim_ends_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_RENEW_S", 0.01)

    async def play() -> None:
        scene = Scene()
        await scene.begin()
        scene.calls.pause.clear()
        first = asyncio.create_task(scene.run())
        while len(scene.calls.asked) < 4:
            await asyncio.sleep(0)
        # The first one is held up for longer than its lease, and another takes over.
        claimed = await scene.store.claim("v", scene.now + LEASE_S, scene.now + 2 * LEASE_S)
        assert claimed is not None
        with pytest.raises(ExceptionGroup) as lost:
            await first
        assert lost.value.subgroup(Conflict) is not None
        scene.calls.pause.set()
        await BatchRun(scene.tools(), claimed).run()
        await scene.check_complete()

    asyncio.run(play())


def test_a_wish_to_cancel_is_heard_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_RENEW_S", 0.01)

    async def play() -> None:
        scene = Scene()
        await scene.begin()
        scene.calls.pause.clear()
        running = asyncio.create_task(scene.run())
        while len(scene.calls.asked) < 4:
            await asyncio.sleep(0)
        await scene.store.cancel("acme", "batch_1", scene.now)
        await asyncio.sleep(0.1)
        scene.calls.pause.set()
        await running
        batch = await scene.stands()
        assert (batch.status, batch.completed, len(scene.calls.asked)) == (BatchStatus.CANCELLED, 4, 4)
        assert len(await scene.told(batch.error_file_id)) == LINES - 4

    asyncio.run(play())


def test_an_input_that_cannot_be_read_is_tried_again_until_the_end_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        scene = Scene()
        await scene.begin(expires_at=1500.0)

        async def damaged(self: object, digest: str) -> bytes:
            raise Unavailable(f"blob {digest} is damaged")

        monkeypatch.setattr(MemoryBlobStore, "get", damaged)
        with pytest.raises(ExceptionGroup):
            await scene.run()
        assert (await scene.stands()).status is BatchStatus.VALIDATING
        scene.now = 1500.0
        await scene.run()
        batch = await scene.stands()
        assert (batch.status, [each.code for each in batch.problems]) == (BatchStatus.FAILED, ["file_unreadable"])

    asyncio.run(play())


def test_a_runner_claims_and_sees_to_the_end_what_waits() -> None:
    async def play() -> None:
        scene = Scene()
        await scene.begin()
        runner = BatchRunner(scene.tools(), "w", Log(process="test"), lambda: scene.now)
        await runner.step()
        while not (await scene.stands()).over:
            await asyncio.sleep(0)
        await runner.step()
        await runner.stop(5)
        await scene.check_complete()

    asyncio.run(play())
