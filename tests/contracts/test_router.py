"""The laws of `ports.router`, for every router."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, ModelNotFound, NinefoldError, NoRoute, RateLimited, Unavailable, Unsupported
from ninefold.domain.snapshot import Deployment, Model, Retries, Snapshot, Tenant, Timeouts
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
