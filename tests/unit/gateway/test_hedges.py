"""A second attempt beside a late first one."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
from tests.unit.gateway.scripted import Act, Scene, model, texts

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import BudgetExceeded, InvalidRequest, Unavailable
from ninefold.domain.snapshot import Hedge, Retries
from ninefold.gateway.hedge import HedgeRefused, race
from ninefold.ports.upstream import AttemptFailed

HEDGE = Hedge(after_s=0.02, budget_ratio=1.0)
FAILS = AttemptFailed(Unavailable("down"))


def facts(won):
    return json.loads("{" + won.facts.removeprefix(",") + "}")


@pytest.mark.parametrize("stream", [True, False])
def test_the_second_wins_where_the_first_is_late_and_the_first_is_stopped_and_paid_for(stream):
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=5)]})
        won = await scene.run(stream=stream)
        assert (won.deployment.name, won.attempt_id, won.attempts) == ("b", "r1.2", 2)
        assert scene.upstream.openings[0].cancelled
        assert scene.intents() == [("r1.1", "a"), ("r1.2", "b")]
        assert scene.settled() == {"r1.1": ("cancelled", 10, 0)}, "the estimate of what was sent"
        assert facts(won) == {"hedged": True, "hedge_cost_usd": 1e-05}
        assert scene.health().in_flight.get("a", 0) == 0
        if stream:
            assert await texts(won) == "one two three"

    asyncio.run(work())


def test_the_first_wins_where_it_comes_before_the_second_and_that_one_is_stopped():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=0.06)], "b": [Act(after_s=5)]})
        won = await scene.run()
        assert (won.deployment.name, won.attempts) == ("a", 2)
        assert scene.upstream.openings[1].cancelled
        assert scene.settled() == {"r1.2": ("cancelled", 10, 0)}

    asyncio.run(work())


def test_one_that_is_in_time_is_not_hedged():
    async def work():
        scene = Scene(model("a", "b", hedge=Hedge(after_s=1.0, budget_ratio=1.0)))
        won = await scene.run()
        assert (scene.asked, won.attempts, won.facts) == (["a"], 1, "")

    asyncio.run(work())


def test_the_hedge_goes_on_where_the_first_fails():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=0.05, fails=FAILS)], "b": [Act(after_s=0.1)]})
        won = await scene.run()
        assert (won.deployment.name, won.attempts, scene.asked) == ("b", 2, ["a", "b"])
        assert scene.settled() == {"r1.1": ("failed", 0, 0)}
        assert facts(won)["hedge_cost_usd"] == 0

    asyncio.run(work())


def test_where_both_fail_the_router_says_how_it_goes_on():
    async def work():
        acts = {"a": [Act(after_s=0.05, fails=FAILS)], "b": [Act(after_s=0.01, fails=FAILS)]}
        scene = Scene(model("a", "b", "c", hedge=HEDGE), acts)
        won = await scene.run()
        assert (won.deployment.name, won.attempt_id, won.attempts, scene.asked) == ("c", "r1.3", 3, ["a", "b", "c"])
        assert [each.deployment for each in scene.task.failed] == ["b", "a"]

    asyncio.run(work())


def test_a_request_at_fault_ends_both_at_once():
    async def work():
        wrong = AttemptFailed(InvalidRequest("no"), elsewhere=False)
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=0.05, fails=wrong)], "b": [Act(after_s=5)]})
        with pytest.raises(InvalidRequest):
            await scene.run()
        assert scene.upstream.openings[1].cancelled

    asyncio.run(work())


def test_a_caller_who_leaves_stops_both_and_pays_for_both():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=5)], "b": [Act(after_s=5)]})
        running = asyncio.create_task(scene.run(stream=True))
        while len(scene.asked) < 2:
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [each.cancelled for each in scene.upstream.openings] == [True, True]
        assert {name: told[0] for name, told in scene.settled().items()} == {"r1.1": "cancelled", "r1.2": "cancelled"}

    asyncio.run(work())


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("a",), {}),
        (("a", "b"), {"retries": Retries(max_attempts=1)}),
        (("a", "b"), {"hedge": Hedge(after_s=0.02, budget_ratio=0.0)}),
        (("a", "b"), {"hedge": Hedge()}),
        (("a", "b"), {"hedge": None}),
    ],
    ids=["nowhere else", "one attempt", "no budget", "nothing known", "not asked for"],
)
def test_when_there_is_no_hedge(names, more):
    async def work():
        scene = Scene(model(*names, **({"hedge": HEDGE} | more)), {"a": [Act(after_s=0.08)]})
        won = await scene.run()
        assert (scene.asked, won.deployment.name) == (["a"], "a")

    asyncio.run(work())


def test_a_deployment_that_has_come_to_rest_meanwhile_is_no_hedge():
    async def work():
        scene = Scene(model("a", "b", "c", hedge=HEDGE), {"a": [Act(after_s=5)]})
        running = asyncio.create_task(scene.run())
        while not scene.asked:
            await asyncio.sleep(0)
        for _ in range(5):
            scene.board.failed("b", Unavailable("down"), time.monotonic())
        assert (await running).deployment.name == "c"
        assert scene.asked == ["a", "c"]

    asyncio.run(work())


def test_without_a_time_of_its_own_it_waits_for_the_95th_percentile_of_the_deployment():
    async def work():
        scene = Scene(model("a", "b", hedge=Hedge(budget_ratio=1.0)), {"a": [Act()] * 40 + [Act(after_s=5)]})
        for _ in range(40):
            await scene.run(stream=True)
        assert scene.asked == ["a"] * 40
        first_until_then = asyncio.get_running_loop().time()
        won = await scene.run(stream=True)
        assert won.deployment.name == "b"
        assert asyncio.get_running_loop().time() - first_until_then >= 0.05, "never less"

    asyncio.run(work())


def test_a_hedge_for_which_there_is_no_money_is_none():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=0.3)]})
        await scene.prepare()

        async def refused(*_):
            raise BudgetExceeded("no")

        scene.meter.begin_again = refused
        scene._count = 1
        won = await scene.run()
        assert (won.deployment.name, won.attempts, won.facts, scene.asked) == ("a", 1, "", ["a"])

    asyncio.run(work())


def test_a_vendors_own_endpoint_is_asked_once():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE), {"a": [Act(after_s=0.06)]})
        await scene.prepare()
        await scene.run()
        assert scene.asked == ["a", "b"]
        scene.task.call = ModelCall(operation=Operation.PASSTHROUGH, wire=Wire.OPENAI, model="m", body=b"")
        assert scene.dispatch._patience_s(scene.task, scene.deployments[0]) is None

    asyncio.run(work())


def test_a_held_stream_is_hedged_for_its_first_content_and_then_held():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE, commit="complete"), {"a": [Act(after_s=5)], "b": [Act(pace_s=0.01)]})
        won = await scene.run(stream=True)
        assert won.deployment.name == "b"
        assert await texts(won) == "one two three"

    asyncio.run(work())


def test_what_a_loser_brought_in_the_same_moment_is_dropped():
    async def work():
        dropped = []

        async def brings(what):
            await gate.wait()
            return what

        gate = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, gate.set)
        assert await race(brings("first"), 0.001, lambda: brings("second"), dropped.append) == "first"
        assert dropped == ["second"]

    asyncio.run(work())


def test_a_winner_is_dropped_where_the_caller_leaves_while_the_loser_ends():
    async def work():
        dropped = []

        async def quick():
            await asyncio.sleep(0.02)
            return "quick"

        async def stubborn():
            try:
                await asyncio.sleep(5)
            finally:
                running.cancel()
                await asyncio.sleep(0)

        async def whole():
            return await race(stubborn(), 0.001, quick, dropped.append)

        running = asyncio.create_task(whole())
        with pytest.raises(asyncio.CancelledError):
            await running
        assert dropped == ["quick"]

    asyncio.run(work())


def test_a_second_that_never_began_leaves_the_race_to_the_first():
    async def work():
        async def first():
            await asyncio.sleep(0.02)
            return "first"

        async def second():
            raise HedgeRefused

        assert await race(first(), 0.001, second, print) == "first"

    asyncio.run(work())


def test_a_stream_that_lost_in_the_same_moment_is_stopped_and_paid_for():
    async def work():
        scene = Scene(model("a", "b", hedge=HEDGE))
        won = await scene.run(stream=True)
        await won.got.next()
        scene.dispatch._drop(scene.task, won)
        assert scene.upstream.openings[0].stream.aborted
        assert scene.settled() == {"r1.1": ("cancelled", 10, 1)}

    asyncio.run(work())


def test_a_deployment_that_has_as_much_under_way_as_it_may_is_no_hedge():
    async def work():
        scene = Scene(model("a", "b", "c", hedge=Hedge(after_s=0.01, budget_ratio=1.0)), {"a": [Act(after_s=0.2)]})
        scene.deployments = tuple(replace(each, max_in_flight=1) if each.name == "b" else each for each in scene.deployments)
        await scene.prepare()
        scene._count = 1
        scene.board.started("b", 0.0)
        won = await scene.run()
        assert (won.deployment.name, scene.asked) == ("c", ["a", "c"])

    asyncio.run(work())


def test_a_loser_that_brought_something_is_dropped_although_nobody_waits_for_its_end():
    async def work():
        dropped = []

        async def stubborn():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return "content"

        async def late():
            await asyncio.sleep(60)

        running = asyncio.create_task(race(stubborn(), 0.001, late, dropped.append))
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()  # a kill and a hang-up in one moment
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0.01)
        assert dropped == ["content"]

    asyncio.run(work())
