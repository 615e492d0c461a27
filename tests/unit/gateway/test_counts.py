"""What dispatch counts of failures, retries, hedges and promotions."""

from __future__ import annotations

import asyncio

from tests.unit.gateway.scripted import Act, Scene, model

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Hedge, Promotion
from ninefold.ports.router import Stage
from ninefold.ports.upstream import AttemptFailed

DOWN = Act(fails=AttemptFailed(Unavailable("down")))


def test_failures_and_what_followed_them() -> None:
    async def work() -> None:
        scene = Scene(model("a", "b", "c"), {"a": [DOWN, Act()], "b": [DOWN]})
        await scene.run()
        counts = scene.dispatch.counts
        assert counts.failed == {("a", "unavailable"): 1, ("b", "unavailable"): 1}
        assert counts.retries == {"m": 2}
        await scene.run()
        assert counts.retries == {"m": 2}, "an ordinary request is not counted"
        assert not counts.hedges

    asyncio.run(work())


def test_hedges_that_win_and_that_lose() -> None:
    async def work() -> None:
        hedge = Hedge(after_s=0.02, budget_ratio=1.0)
        scene = Scene(model("a", "b", hedge=hedge), {"a": [Act(after_s=5)]})
        await scene.run()
        assert scene.dispatch.counts.hedges == {("m", "sent"): 1, ("m", "won"): 1}
        assert scene.dispatch.counts.hedge_nanos["m"] == 10_000
        scene = Scene(model("a", "b", hedge=hedge), {"a": [Act(after_s=0.1)], "b": [Act(after_s=5)]})
        await scene.run()
        assert scene.dispatch.counts.hedges == {("m", "sent"): 1, ("m", "lost"): 1}

    asyncio.run(work())


def test_promotions_with_the_cost_before_them() -> None:
    async def work() -> None:
        promotion = Promotion(to="complex", on=("failures",), failures=1)
        stages = (Stage(task_class="easy", start=0, end=1, promotion=promotion), Stage(task_class="complex", start=1, end=2))
        scene = Scene(model("a", "b"), {"a": [DOWN]}, stages=stages)
        await scene.run()
        way = ("easy", "complex", "failures")
        assert scene.dispatch.counts.promotions == {way: 1}
        assert way in scene.dispatch.counts.promotion_nanos

    asyncio.run(work())
