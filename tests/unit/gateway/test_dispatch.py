"""One attempt after the other: limits, keys, waits and promotions."""

import asyncio
import json

import pytest
from tests.unit.gateway.scripted import Act, Scene, deployment, model

from ninefold.domain.cost import Outcome
from ninefold.domain.errors import NoRuleMatched, RateLimited, Unavailable, UpstreamRejected
from ninefold.domain.snapshot import Promotion, Retries, Timeouts
from ninefold.gateway.limits import Limits, attempt_limits
from ninefold.ports.router import Stage
from ninefold.ports.upstream import AttemptFailed

DOWN = Act(fails=AttemptFailed(Unavailable("down")))


def stages(*, promotion: Promotion) -> tuple[Stage, ...]:
    return (
        Stage(task_class="deterministic", start=0, end=1, promotion=promotion),
        Stage(task_class="complex", start=1, end=2),
    )


def test_another_key_of_the_same_deployment_is_tried_at_once():
    async def work():
        refused = Act(fails=AttemptFailed(UpstreamRejected("key"), other_key=True))
        scene = Scene(model("a", "b"), {"a": [refused, Act()]})
        won = await scene.run()
        assert (won.deployment.name, won.attempts, scene.asked) == ("a", 2, ["a", "a"])
        assert scene.task.failed[0].other_key

    asyncio.run(work())


def test_a_wait_ends_with_the_caller():
    async def work():
        limited = Act(fails=AttemptFailed(RateLimited("wait", retry_after_s=3.0)))
        scene = Scene(model("a", retries=Retries(per_deployment=2, budget_ratio=1.0)), {"a": [limited]})
        running = asyncio.create_task(scene.run())
        while not scene.asked:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert scene.asked == ["a"]
        assert scene.settled() == {"r1.1": ("failed", 0, 0)}

    asyncio.run(work())


def test_every_attempt_has_its_intent_on_record_and_its_line():
    async def work():
        scene = Scene(model("a", "b", "c"), {"a": [DOWN], "b": [DOWN]})
        won = await scene.run()
        assert scene.intents() == [("r1.1", "a"), ("r1.2", "b"), ("r1.3", "c")]
        assert set(scene.settled()) == {"r1.1", "r1.2"}
        assert won.attempts == 3
        failures = [{"deployment": name, "error": "unavailable"} for name in "ab"]
        assert json.loads("{" + won.facts.removeprefix(",") + "}") == {"failures": failures}

    asyncio.run(work())


def test_a_total_deadline_that_has_passed_asks_nobody_any_more():
    async def work():
        late = Act(after_s=0.06, fails=AttemptFailed(Unavailable("down")))
        scene = Scene(model("a", "b", timeouts=Timeouts(total_s=0.05)), {"a": [late]})
        with pytest.raises(Unavailable, match="down"):
            await scene.run()
        assert scene.asked == ["a"]

    asyncio.run(work())


@pytest.mark.parametrize(("answers_as", "name"), [("asked", None), ("vendor", "v-a")])
def test_whose_name_stands_in_the_answer(answers_as, name):
    async def work():
        scene = Scene(model("a", "b", answers_as=answers_as))
        await scene.run()
        assert scene.upstream.openings[0].limits.answer_model == name

    asyncio.run(work())


def test_limits_are_worked_out_once_and_never_those_of_another():
    limits = Limits()
    one, two, here, there = model("a", answers_as="vendor"), model("a"), deployment("a"), deployment("b")
    found = limits.first(one, here, 2, stream=True, output_cap=10)
    assert limits.first(one, here, 2, stream=True, output_cap=10) is found
    assert limits.first(two, here, 2, stream=True, output_cap=10).answer_model is None
    assert limits.first(one, there, 2, stream=True, output_cap=10).answer_model == "v-b"
    assert limits.first(one, here, 2, stream=True, output_cap=20).max_output_tokens == 20


def test_a_silent_deployment_leaves_time_for_the_others():
    asked = model("a", "b", timeouts=Timeouts(first_token_s=1.0, total_s=60.0))
    whole = attempt_limits(asked, deployment("a"), 3, stream=False, output_cap=10, elapsed_s=0.0)
    assert whole.deadlines.first_byte_s == 20.0
    last = attempt_limits(asked, deployment("a"), 1, stream=False, output_cap=10, elapsed_s=50.0)
    assert (last.deadlines.first_byte_s, last.deadlines.total_s) == (10.0, 10.0)
    streamed = attempt_limits(asked, deployment("a"), 3, stream=True, output_cap=10, elapsed_s=0.0)
    assert streamed.deadlines.first_byte_s == 1.0


def test_an_answer_without_support_goes_on_to_the_next_class_and_is_paid_for():
    async def work():
        rules = stages(promotion=Promotion(to="complex", on=("low_support",), min_support=0.6))
        scene = Scene(model("a", "b"), {"a": [Act(support=0.5)]}, rules)
        won = await scene.run()
        assert (won.deployment.name, won.attempts) == ("b", 2)
        assert scene.settled() == {"r1.1": ("completed", 10, 3)}
        assert json.loads("{" + won.facts.removeprefix(",") + "}") == {
            "promotions": [{"from": "deterministic", "to": "complex", "why": "low_support", "cost_usd": 1.6e-05}],
        }
        assert scene.health().in_flight.get("a", 0) == 0

    asyncio.run(work())


@pytest.mark.parametrize(
    ("support", "on", "min_support"),
    [(0.6, ("low_support",), 0.6), (None, ("low_support",), 0.6), (0.1, ("failures",), 0.6)],
    ids=["exactly enough", "says nothing", "not a trigger"],
)
def test_what_stands(support, on, min_support):
    async def work():
        rules = stages(promotion=Promotion(to="complex", on=on, min_support=min_support))
        scene = Scene(model("a", "b"), {"a": [Act(support=support)]}, rules)
        won = await scene.run()
        assert (won.deployment.name, won.facts) == ("a", "")

    asyncio.run(work())


def test_the_last_class_has_nowhere_to_go_on_to():
    async def work():
        only = (Stage(task_class="deterministic", start=0, end=1, promotion=Promotion(to="complex", on=("low_support",))),)
        scene = Scene(model("a"), {"a": [Act(support=0.0)]}, only)
        assert (await scene.run()).deployment.name == "a"

    asyncio.run(work())


def test_where_the_next_class_fails_too_its_error_is_told():
    async def work():
        rules = stages(promotion=Promotion(to="complex", on=("low_support",)))
        scene = Scene(model("a", "b"), {"a": [Act(support=0.0)], "b": [DOWN]}, rules)
        with pytest.raises(Unavailable, match="down"):
            await scene.run()
        assert scene.asked[0] == "a"
        assert set(scene.asked[1:]) == {"b"}, "nobody goes back to what was not good enough"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("error", "why", "on"),
    [(NoRuleMatched("none"), "no_rule_matched", ("no_rule_matched",)), (Unavailable("down"), "failures", ("failures",))],
)
def test_a_class_that_fails_hands_on_and_the_route_says_why(error, why, on):
    async def work():
        rules = stages(promotion=Promotion(to="complex", on=on, failures=1))
        scene = Scene(model("a", "b"), {"a": [Act(fails=AttemptFailed(error))]}, rules)
        won = await scene.run()
        assert won.deployment.name == "b"
        (promotion,) = json.loads("{" + won.facts.removeprefix(",") + "}")["promotions"]
        assert promotion == {"from": "deterministic", "to": "complex", "why": why, "cost_usd": 0}

    asyncio.run(work())


def test_streams_that_are_cut_short_after_their_first_words_open_the_breaker():
    async def work():
        scene = Scene(model("a"))
        for _ in range(5):
            won = await scene.run(stream=True)
            scene.dispatch.ended(won, Outcome.CUT_SHORT)
        assert scene.health().open == {"a"}
        assert scene.health().in_flight.get("a", 0) == 0

    asyncio.run(work())


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.CANCELLED])
def test_other_ends_do_not(outcome):
    async def work():
        scene = Scene(model("a"))
        for _ in range(10):
            won = await scene.run(stream=True)
            scene.dispatch.ended(won, outcome)
        assert scene.health().open == frozenset()

    asyncio.run(work())


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_key_that_is_refused_says_nothing_of_a_deployment_that_has_another(elsewhere):
    async def work():
        refused = Act(fails=AttemptFailed(UpstreamRejected("key"), elsewhere=elsewhere, other_key=True))
        scene = Scene(model("a"), {"a": [refused, Act(), refused, Act()]})
        await scene.prepare()
        told = []
        scene.board.failed = lambda *_: told.append("failed")
        succeeded = scene.board.succeeded
        scene.board.succeeded = lambda *given, **more: (told.append("succeeded"), succeeded(*given, **more))
        scene._count = 1
        await scene.run()
        assert told == ["succeeded"]
        assert scene.health().in_flight == {"a": 1}

    asyncio.run(work())


def test_the_last_key_that_is_refused_speaks_against_its_deployment():
    async def work():
        refused = Act(fails=AttemptFailed(UpstreamRejected("key")))
        scene = Scene(model("a", retries=Retries(max_attempts=1)), {"a": [refused]})
        for _ in range(5):
            with pytest.raises(UpstreamRejected):
                await scene.run()
        assert scene.health().open == {"a"}

    asyncio.run(work())
