"""Loops are restarted when they fail, and say how they are."""

import asyncio

import pytest

from ninefold.app.lifespan import Lifespan
from ninefold.app.logging import Log


@pytest.fixture
def events():
    return []


@pytest.fixture
def log(events):
    return Log(process="test", write=events.append)


def test_a_failing_loop_is_reported_and_goes_on_and_the_others_do_not_notice(log, events):
    async def scenario():
        calls = {"bad": 0, "good": 0}
        recovered = asyncio.Event()

        async def bad():
            calls["bad"] += 1
            if calls["bad"] == 1:
                raise ValueError("once")
            recovered.set()

        async def good():
            calls["good"] += 1

        lifespan = Lifespan(log)
        lifespan.add("bad", bad, every_s=0.001)
        lifespan.add("good", good, every_s=0.001)
        lifespan.start()
        while not any(state.failures for state in lifespan.states()):
            await asyncio.sleep(0.001)
        assert not lifespan.healthy
        failing = lifespan.states()[0]
        assert (failing.name, failing.last_error) == ("bad", "ValueError")
        await asyncio.wait_for(recovered.wait(), 10)
        while not lifespan.healthy:
            await asyncio.sleep(0.001)
        assert calls["good"] > 2
        await lifespan.stop()
        assert not any(state.running for state in lifespan.states())

    asyncio.run(scenario())
    assert any(b"loop.failed" in line for line in events)
    assert any(b"loop.recovered" in line for line in events)


def test_a_step_that_does_not_heed_its_cancellation_is_left_behind_and_reported(log, events):
    async def scenario():
        release = asyncio.Event()

        async def stubborn():
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        lifespan = Lifespan(log)
        lifespan.add("stubborn", stubborn, every_s=1)
        lifespan.start()
        await asyncio.sleep(0)
        await lifespan.stop(within_s=0.01)
        release.set()

    asyncio.run(scenario())
    assert any(b"loop.stuck" in line for line in events)
