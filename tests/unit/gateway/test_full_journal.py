"""A journal whose disk is full, and then is not any more."""

import asyncio

import pytest
from tests.unit.gateway.one_worker import Worker, model, snapshot, whole

from ninefold.adapters.memory.journal import MemoryJournal
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import LoadRules


class Disk(MemoryJournal):
    """Collects a few frames while it is `full`, then refuses more, as the real one does."""

    full = False

    def append(self, record):
        if len(self._pending) > 8:
            raise Unavailable("the journal's disk does not take any more")
        return super().append(record)

    def commit(self):
        if self.full and self._pending:
            raise Unavailable("the journal cannot be written")
        super().commit()


async def worker_on(disk, **more):
    worker = Worker(snapshot(model("a", **more), load=LoadRules(max_in_flight=3)))
    worker.journal = disk
    return await worker.begin()


def test_a_worker_goes_on_once_its_disk_takes_more_again():
    async def work():
        disk = Disk()
        worker = await worker_on(disk)
        disk.full = True
        for _ in range(12):
            with pytest.raises(Unavailable):
                await worker.text(worker.asked())
        disk.full = False
        with pytest.raises(Unavailable):
            await worker.text(worker.asked())
        assert await worker.text(worker.asked())
        assert worker.gateway.gate.inside == 0
        assert worker.gateway.inflight.keys() == ()

    asyncio.run(work())


@pytest.mark.parametrize("how", ["bypass", "miss", "exact"])
@pytest.mark.parametrize("ends", ["abandon", "next"])
def test_a_stream_that_cannot_be_booked_gives_back_what_it_took_up(ends, how):
    async def work():
        disk = Disk()
        worker = await worker_on(disk, cache_ttl_s=0.0 if how == "bypass" else 60.0)
        if how == "exact":
            await worker.text(worker.asked(stream=True))
        answer = await worker.gateway.complete(worker.asked(stream=True))
        assert answer.cache == how
        disk.full = True
        for _ in range(12):
            with pytest.raises(Unavailable):
                await worker.text(worker.asked())

        async def end():
            if ends == "abandon":
                answer.abandon()
            while await answer.next():
                pass

        with pytest.raises(Unavailable):
            await end()
        await asyncio.sleep(0)
        answer.abandon()
        assert worker.gateway.gate.inside == 0
        assert not any(worker.board.health(0.0).in_flight.values())

    asyncio.run(work())


def test_an_answer_that_cannot_be_booked_is_not_given_and_gives_back_what_it_took_up():
    async def work():
        disk = Disk()
        worker = await worker_on(disk)

        async def full(to, call, limits):
            disk.full = True
            while len(disk._pending) <= 8:
                disk.append("x")
            return whole()

        worker.vendor.answers = full
        with pytest.raises(Unavailable):
            await worker.text(worker.asked())
        assert worker.gateway.gate.inside == 0
        assert not any(worker.board.health(0.0).in_flight.values())

    asyncio.run(work())
