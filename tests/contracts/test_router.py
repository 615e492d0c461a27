"""The laws of `ports.router`, for every router."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import (
    ContextTooLong,
    InvalidRequest,
    ModelNotFound,
    NinefoldError,
    NoRoute,
    RateLimited,
    Unavailable,
    Unsupported,
)
from ninefold.domain.money import Price
from ninefold.domain.snapshot import Abilities, Deployment, Hedge, Model, Retries, Snapshot, Tenant, Timeouts, Truncation
from ninefold.ports.router import Failure, Health, Plan, Router
from ninefold.routing.plan import StrategyRouter

ROUTERS = [StrategyRouter]
WELL = Health()
TENANT = Tenant(name="acme")


@pytest.fixture(params=ROUTERS)
def router(request: pytest.FixtureRequest) -> Router:
    return request.param(lambda: 1.0)


def deployment(name: str, *operations: str) -> Deployment:
    return Deployment(name=name, provider="openai", base_url="http://h", model="m", operations=operations or ("chat",))


def snapshot(*deployments: Deployment, route: tuple[str, ...] = (), max_attempts: int = 3) -> Snapshot:
    model = Model(
        name="m",
        strategy="priority",
        deployments=route or tuple(each.name for each in deployments),
        timeouts=Timeouts(total_s=10.0),
        retries=Retries(max_attempts=max_attempts),
    )
    return Snapshot(version=1, digest="", compiled_at=0.0, policy_version="p", deployments=deployments, models=(model,))


def call(model: str = "m", operation: Operation = Operation.CHAT) -> ModelCall:
    return ModelCall(operation=operation, wire=Wire.OPENAI, model=model, body=b"{}")


def names(plan: Plan) -> list[str]:
    return [each.name for each in plan.deployments]


def failure(name: str, error: NinefoldError, *, elsewhere: bool = True) -> Failure:
    return Failure(deployment=name, error=error, elsewhere=elsewhere)


def test_the_routes_order_is_the_plans(router: Router):
    world = snapshot(deployment("a"), deployment("b"), deployment("c"), route=("c", "a"))
    plan = router.plan(world, TENANT, call(), WELL, 0.0)
    assert (names(plan), plan.strategy, plan.task_class, plan.model) == (["c", "a"], "priority", "chat", world.models[0])
    assert "c" in plan.reason


def test_only_deployments_that_can_do_the_operation(router: Router):
    world = snapshot(deployment("a", "chat"), deployment("b", "embeddings"), deployment("c", "chat", "embeddings"))
    assert names(router.plan(world, TENANT, call(operation=Operation.EMBEDDINGS), WELL, 0.0)) == ["b", "c"]
    assert names(router.plan(world, TENANT, call(), WELL, 0.0)) == ["a", "c"]
    with pytest.raises(NoRoute):
        router.plan(world, TENANT, call(operation=Operation.COUNT_TOKENS), WELL, 0.0)


def test_an_unknown_model_is_not_found(router: Router):
    world = snapshot(deployment("a"))
    for _ in range(2):
        with pytest.raises(ModelNotFound):
            router.plan(world, TENANT, call("other"), WELL, 0.0)


def test_a_route_to_deployments_that_are_gone_is_no_route(router: Router):
    with pytest.raises(NoRoute):
        router.plan(snapshot(deployment("a"), route=("gone",)), TENANT, call(), WELL, 0.0)


def test_open_breakers_come_last(router: Router):
    world = snapshot(deployment("a"), deployment("b"), deployment("c"))
    plan = router.plan(world, TENANT, call(), Health(open=frozenset({"a"})), 0.0)
    assert names(plan) == ["b", "c", "a"]
    assert "a" in plan.reason.rpartition(":")[2]
    assert names(router.plan(world, TENANT, call(), WELL, 0.0)) == ["a", "b", "c"]


def test_a_request_is_still_tried_when_all_are_open(router: Router):
    world = snapshot(deployment("a"), deployment("b"))
    assert names(router.plan(world, TENANT, call(), Health(open=frozenset({"a", "b"})), 0.0)) == ["a", "b"]


def test_a_new_snapshot_counts_from_its_first_call(router: Router):
    old, new = snapshot(deployment("a")), snapshot(deployment("b"))
    assert [names(router.plan(world, TENANT, call(), WELL, 0.0)) for world in (old, new, old)] == [["a"], ["b"], ["a"]]


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdefg")))
def test_health_only_reorders(present: set[str], resting: set[str]):
    world = snapshot(*(deployment(name) for name in sorted(present)))
    for make in ROUTERS:
        found = names(make(lambda: 1.0).plan(world, TENANT, call(), Health(open=frozenset(resting)), 0.0))
        assert sorted(found) == sorted(present)
        assert found == sorted(present - resting) + sorted(present & resting)


def after(router: Router, world: Snapshot, *failed: Failure, elapsed_s: float = 1.0, jitter: float = 0.5) -> tuple[str, float] | None:
    found = router.after_failure(router.plan(world, TENANT, call(), WELL, 0.0), failed, elapsed_s, jitter)
    return (found[0].name, found[1]) if found is not None else None


def test_after_a_failure_the_next_deployment_is_tried_at_once(router: Router):
    world = snapshot(deployment("a"), deployment("b"))
    assert after(router, world, failure("a", Unavailable("x", retry_after_s=9.0))) == ("b", 0.0)


def test_what_the_request_is_to_blame_for_is_not_tried_again(router: Router):
    world = snapshot(deployment("a"), deployment("b"))
    assert after(router, world, failure("a", InvalidRequest("x"), elsewhere=False)) is None


def test_what_one_vendor_cannot_express_another_may(router: Router):
    world = snapshot(deployment("a"), deployment("b"))
    assert after(router, world, failure("a", Unsupported("x"))) == ("b", 0.0)
    assert after(router, world, failure("a", Unsupported("x")), failure("b", Unsupported("x"))) is None


def test_when_all_were_tried_the_same_is_tried_after_a_wait(router: Router):
    world = snapshot(deployment("a"))
    found = after(router, world, failure("a", Unavailable("x")))
    assert found is not None
    assert found[0] == "a"
    assert found[1] > 0
    assert after(router, world, failure("a", RateLimited("x", retry_after_s=2.5))) == ("a", 2.5)


def test_those_tried_least_often_come_first(router: Router):
    world = snapshot(deployment("a"), deployment("b"), max_attempts=9)
    down = Unavailable("x")
    found = after(router, world, failure("a", down), failure("b", down), failure("a", down))
    assert found is not None
    assert found[0] == "b"


def test_attempts_and_time_are_bounded(router: Router):
    world = snapshot(deployment("a"), deployment("b"), deployment("c"), max_attempts=2)
    down = Unavailable("x")
    assert after(router, world, failure("a", down)) == ("b", 0.0)
    assert after(router, world, failure("a", down), failure("b", down)) is None
    assert after(router, world, failure("a", down), elapsed_s=10.0) is None
    alone = snapshot(deployment("a"))
    assert after(router, alone, failure("a", RateLimited("x", retry_after_s=9.0)), elapsed_s=1.0) is None


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=4), st.floats(0, 12), st.floats(0, 0.999), st.none() | st.floats(0, 100))
def test_a_wait_never_reaches_past_the_total_deadline(tried: list[str], elapsed_s: float, jitter: float, retry_after_s: float | None):
    world = snapshot(deployment("a"), deployment("b"), max_attempts=9)
    failed = [failure(name, Unavailable("x", retry_after_s=retry_after_s)) for name in tried]
    for make in ROUTERS:
        found = after(make(lambda: 1.0), world, *failed, elapsed_s=elapsed_s, jitter=jitter)
        assert found is None or 0 <= found[1] <= 10.0 - elapsed_s


def chosen(strategy: str, *deployments: Deployment, health: Health = WELL, draw: float = 0.0, **asked: object) -> list[str]:
    world = snapshot(*deployments)
    weights = asked.pop("weights", ())
    model = replace(world.models[0], strategy=strategy, weights=weights)
    wanted = replace(call(), **asked)
    return names(StrategyRouter(lambda: 1.0).plan(replace(world, models=(model,)), TENANT, wanted, health, draw))


def priced(name: str, input_per_million: int, output_per_million: int) -> Deployment:
    price = Price(
        version="1",
        input_per_million=input_per_million,
        output_per_million=output_per_million,
        cached_input_per_million=0,
        cache_write_per_million=0,
    )
    return replace(deployment(name), price=price)


def test_weights_split_the_draw():
    ab = (deployment("a"), deployment("b"), deployment("c"))
    assert chosen("weighted", *ab, weights=(1.0, 3.0, 0.0), draw=0.2) == ["a", "b", "c"]
    assert chosen("weighted", *ab, weights=(1.0, 3.0, 0.0), draw=0.3) == ["b", "a", "c"]


def test_the_cheapest_is_so_for_this_request_and_the_unpriced_are_last():
    reads, writes = priced("reads", 1_000, 90_000), priced("writes", 9_000, 10_000)
    assert chosen("cheapest", deployment("free"), reads, writes, max_output_tokens=10, input_tokens_bound=9_000) == [
        "reads",
        "writes",
        "free",
    ]
    assert chosen("cheapest", deployment("free"), reads, writes, max_output_tokens=900, input_tokens_bound=9) == ["writes", "reads", "free"]


def test_the_fastest_of_two_drawn_comes_first_and_the_unknown_get_tried():
    three = (deployment("a"), deployment("b"), deployment("c"))
    health = Health(whole_s={"a": 0.9, "b": 0.1, "c": 0.5}, first_token_s={"a": 0.1, "b": 0.2, "c": 0.3})
    firsts = {draw: chosen("fastest", *three, health=health, draw=draw)[0] for draw in (0.0, 0.2, 0.4, 0.6, 0.8, 0.99)}
    assert set(firsts.values()) == {"b", "c"}
    assert chosen("fastest", *three, health=health, draw=0.0, stream=True)[0] == "a"
    assert chosen("fastest", *three[:2], health=Health(whole_s={"a": 0.1}))[0] == "b"
    assert chosen("fastest", *three[:2], health=Health(whole_s={"a": 0.1, "b": 0.2}, in_flight={"a": 3}))[0] == "b"


def test_the_least_busy_comes_first_and_ties_stay_as_listed():
    three = (deployment("a"), deployment("b"), deployment("c"))
    assert chosen("least_busy", *three, health=Health(in_flight={"a": 2, "b": 1})) == ["c", "b", "a"]
    assert chosen("least_busy", *three) == ["a", "b", "c"]


def test_the_full_come_last_and_when_all_are_the_request_is_shed():
    a, b = replace(deployment("a"), max_in_flight=2), replace(deployment("b"), max_in_flight=1)
    assert chosen("priority", a, b, health=Health(in_flight={"a": 2})) == ["b", "a"]
    assert chosen("priority", a, b, health=Health(in_flight={"a": 1, "b": 0})) == ["a", "b"]
    with pytest.raises(Unavailable) as shed:
        chosen("priority", a, b, health=Health(in_flight={"a": 2, "b": 1}))
    assert shed.value.retry_after_s


def test_residency_and_reservation_and_abilities_come_before_everything(router: Router):
    eu, us = replace(deployment("eu"), region="eu"), replace(deployment("us"), region="us")
    nowhere, here = deployment("nowhere"), replace(deployment("here"), provider="local")
    kept = replace(deployment("kept"), reserved_for=("globex",))
    blind = replace(deployment("blind"), abilities=Abilities(lacks=("images",)))
    world = snapshot(us, eu, nowhere, here, kept, blind)
    at_home = replace(TENANT, regions=("eu", "ap"))
    assert names(router.plan(world, at_home, call(), WELL, 0.0)) == ["eu", "here"]
    assert names(router.plan(world, TENANT, replace(call(), regions=("us",)), WELL, 0.0)) == ["us", "here"]
    assert names(router.plan(world, replace(TENANT, name="globex"), replace(call(), needs=frozenset({"images"})), WELL, 0.0)) == [
        "us", "eu", "nowhere", "here", "kept",
    ]  # fmt: skip
    with pytest.raises(NoRoute, match="no region in common"):
        router.plan(snapshot(us, eu), at_home, replace(call(), regions=("us",)), WELL, 0.0)
    plan = router.plan(world, at_home, call(), WELL, 0.0)
    assert {each.deployment: each.why for each in plan.considered if not each.taken}["nowhere"] == (
        "is in no known region, and only ap or eu is allowed"
    )


def long_call(tokens: int, **more: object) -> ModelCall:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * tokens}]}).encode()
    return replace(call(), body=body, input_tokens_bound=len(body), **more)


def test_a_context_that_is_too_small_is_left_out_refused_or_cut_for(router: Router):
    small = replace(deployment("small"), abilities=Abilities(context_tokens=1_000))
    large = replace(deployment("large"), abilities=Abilities(context_tokens=4_000))
    world = snapshot(small, large, max_attempts=3)
    assert names(router.plan(world, TENANT, long_call(500), WELL, 0.0)) == ["small", "large"]
    assert names(router.plan(world, TENANT, long_call(500, max_output_tokens=900), WELL, 0.0)) == ["large"]
    assert names(router.plan(world, TENANT, long_call(2_000), WELL, 0.0)) == ["large"]
    with pytest.raises(ContextTooLong, match="4000"):
        router.plan(world, TENANT, long_call(5_000), WELL, 0.0)
    cut = replace(world, models=(replace(world.models[0], truncation=Truncation(strategy="middle_out")),))
    plan = router.plan(cut, TENANT, long_call(5_000), WELL, 0.0)
    assert names(plan) == ["large"]
    assert plan.edit is not None
    assert (plan.edit.strategy, plan.edit.context_tokens) == ("middle_out", 4_000)
    assert router.plan(cut, TENANT, long_call(10), WELL, 0.0).edit is None


def test_retries_and_hedges_stay_within_the_models_budget():
    now = [100.0]
    router = StrategyRouter(lambda: now[0])
    world = snapshot(deployment("a"), deployment("b"))
    rules = Retries(budget_ratio=0.5, budget_floor=1)
    world = replace(world, models=(replace(world.models[0], retries=rules, hedge=Hedge(budget_ratio=0.5)),))
    plan = router.plan(world, TENANT, call(), WELL, 0.0)
    down = failure("a", Unavailable("x"))
    assert router.after_failure(plan, [down], 1.0, 0.5) is not None
    assert router.after_failure(plan, [down], 1.0, 0.5) is None
    assert router.after_failure(plan, [replace(down, other_key=True)], 1.0, 0.5) is not None
    assert not router.may_hedge(plan, now[0])
    for _ in range(3):
        router.plan(world, TENANT, call(), WELL, 0.0)
    assert router.may_hedge(plan, now[0])
    assert router.may_hedge(plan, now[0])
    assert not router.may_hedge(plan, now[0])
    now[0] += 11
    assert router.after_failure(plan, [down], 1.0, 0.5) is not None
