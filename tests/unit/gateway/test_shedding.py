"""Who waits for a place, who gets it next, and who is turned away."""

import asyncio

import pytest

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import LoadRules
from ninefold.gateway.shedding import PRIORITIES, Gate, effective

PATIENT = LoadRules(max_in_flight=1, queue_s=(5.0, 5.0, 5.0))


async def in_line(gate: Gate, names: list[str]) -> list[str]:
    """Those of `names` (priority and number) in the order in which they are let in, one by one; all come while one is inside."""
    first = await gate.enter("high", "high")
    order: list[str] = []

    async def one(name: str) -> None:
        place = await gate.enter(name.split("-", maxsplit=1)[0], "high")
        order.append(name)
        place.leave()

    tasks = []
    for name in names:
        tasks.append(asyncio.create_task(one(name)))
        await asyncio.sleep(0)
    first.leave()
    await asyncio.gather(*tasks)
    return order


def test_by_priority_and_then_by_arrival():
    async def work():
        gate = Gate(PATIENT)
        names = ["low-1", "normal-1", "high-1", "low-2", "normal-2", "high-2"]
        assert await in_line(gate, names) == ["high-1", "high-2", "normal-1", "normal-2", "low-1", "low-2"]
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(work())


def test_as_many_as_may_are_inside_at_once_and_one_more_waits():
    async def work():
        gate = Gate(LoadRules(max_in_flight=2, queue_s=(0.0, 5.0, 5.0)))
        one, two = await gate.enter("", "normal"), await gate.enter("", "normal")
        third = asyncio.create_task(gate.enter("", "normal"))
        await asyncio.sleep(0.01)
        assert (gate.inside, gate.waiting, third.done()) == (2, 1, False)
        one.leave()
        one.leave()
        await asyncio.sleep(0.01)
        assert (gate.inside, third.done()) == (2, True)
        two.leave()
        third.result().leave()
        assert gate.inside == 0

    asyncio.run(work())


@pytest.mark.parametrize(("priority", "wait_s"), [("low", 0.0), ("normal", 0.02), ("high", 0.04)])
def test_each_priority_waits_as_long_as_it_may_and_is_told_when_to_come_again(priority, wait_s):
    async def work():
        gate = Gate(LoadRules(max_in_flight=1, queue_s=(0.0, 0.02, 0.04)))
        inside = await gate.enter("high", "high")
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="shed") as caught:
            await gate.enter(priority, "high")
        assert asyncio.get_running_loop().time() - began >= wait_s
        assert caught.value.retry_after_s is not None
        assert (gate.shed, gate.waiting) == (1, 0)
        inside.leave()
        assert gate.inside == 0

    asyncio.run(work())


def test_nobody_is_passed_by_one_who_comes_when_there_is_room_again():
    async def work():
        gate = Gate(PATIENT)
        inside = await gate.enter("", "normal")
        waits = asyncio.create_task(gate.enter("", "normal"))
        await asyncio.sleep(0)
        inside.leave()  # the place is given to who waits, at once
        late = asyncio.create_task(gate.enter("", "normal"))
        await asyncio.sleep(0.01)
        assert (waits.done(), late.done()) == (True, False)
        waits.result().leave()
        (await late).leave()

    asyncio.run(work())


def test_one_who_leaves_the_line_loses_nothing_for_the_others():
    async def work():
        gate = Gate(PATIENT)
        inside = await gate.enter("", "normal")
        gone, stays = asyncio.create_task(gate.enter("", "normal")), asyncio.create_task(gate.enter("", "normal"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        inside.leave()
        (await stays).leave()
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(work())


def test_one_who_goes_in_the_moment_of_being_called_gives_the_place_on():
    async def work():
        gate = Gate(PATIENT)
        inside = await gate.enter("", "normal")
        gone, stays = asyncio.create_task(gate.enter("", "normal")), asyncio.create_task(gate.enter("", "normal"))
        await asyncio.sleep(0)
        inside.leave()
        gone.cancel()
        await asyncio.wait([gone])
        (await stays).leave()
        assert gate.inside == 0

    asyncio.run(work())


def test_more_room_lets_in_who_waits():
    async def work():
        gate = Gate(PATIENT)
        places = [await gate.enter("", "normal")]
        waits = [asyncio.create_task(gate.enter("", "normal")) for _ in range(3)]
        await asyncio.sleep(0)
        gate.use(LoadRules(max_in_flight=3, queue_s=PATIENT.queue_s))
        await asyncio.sleep(0)
        assert sum(each.done() for each in waits) == 2
        gate.use(LoadRules())
        places += [await each for each in waits]
        for place in places:
            place.leave()
        assert (gate.inside, gate.bounded) == (0, False)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("claimed", "most", "counts"),
    [("", "normal", "normal"), ("", "low", "low"), ("high", "normal", "normal"), ("low", "high", "low"), ("high", "high", "high")],
)
def test_a_claim_never_goes_above_what_the_tenant_may(claimed, most, counts):
    assert PRIORITIES[effective(claimed, most)] == counts
