"""Whatever is configured, asked for and broken: where a call may not go it never goes, and retries never become a storm."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.domain import errors
from ninefold.domain.call import CAPABILITIES, ModelCall, Operation, Wire
from ninefold.domain.errors import ContextTooLong, DeadlineExceeded, NinefoldError, NoRoute, NoRuleMatched, Unavailable
from ninefold.domain.snapshot import (
    Abilities,
    ClassRoute,
    Deployment,
    Hedge,
    Model,
    Promotion,
    Retries,
    Snapshot,
    TaskClass,
    Tenant,
    Timeouts,
    Truncation,
)
from ninefold.ports.router import Failure, Health, Plan
from ninefold.routing.budget import RetryBudget
from ninefold.routing.order import Moment, weighted
from ninefold.routing.plan import StrategyRouter

NAMES = "abcdef"
REGIONS = ("eu", "us", "ap")
CLASSES = ("one", "two", "three")
STRATEGIES = ("priority", "weighted", "cheapest", "fastest", "least_busy")
DRAWS = st.floats(0, 1, exclude_max=True)
ERRORS = (
    errors.Unavailable,
    errors.DeadlineExceeded,
    errors.RateLimited,
    errors.UpstreamRejected,
    errors.StreamInterrupted,
    errors.ContextTooLong,
    errors.NoRuleMatched,
    errors.InvalidRequest,
    errors.Unsupported,
)

some_regions = st.lists(st.sampled_from(REGIONS), unique=True, max_size=2).map(tuple)
subset = st.lists(st.sampled_from(NAMES), unique=True, min_size=1).map(tuple)


@st.composite
def deployment(draw: st.DrawFn, name: str) -> Deployment:
    return Deployment(
        name=name,
        provider=draw(st.sampled_from(["openai", "openai", "anthropic", "local"])),
        base_url="http://h",
        model="m",
        region=draw(st.none() | st.sampled_from(REGIONS)),
        operations=draw(st.sampled_from([("chat",), ("chat", "embeddings"), ("embeddings",), ("chat", "responses")])),
        abilities=Abilities(
            lacks=draw(st.lists(st.sampled_from(CAPABILITIES), unique=True, max_size=2).map(tuple)),
            context_tokens=draw(st.none() | st.sampled_from([1_000, 4_000, 100_000])),
        ),
        quality=draw(st.sampled_from([(), (("one", 0.9),), (("default", 0.5),)])),
        reserved_for=draw(st.sampled_from([(), (), ("acme",), ("other",)])),
        max_in_flight=draw(st.none() | st.integers(1, 3)),
    )


@st.composite
def route(draw: st.DrawFn) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
    strategy, names = draw(st.sampled_from(STRATEGIES)), draw(subset)
    weights = tuple(draw(st.sampled_from([0.0, 1.0, 2.5])) for _ in names) if strategy == "weighted" else ()
    return strategy, names, weights


@st.composite
def task_class(draw: st.DrawFn, name: str) -> TaskClass:
    promotion = Promotion(
        to=draw(st.sampled_from(CLASSES)),
        on=draw(st.lists(st.sampled_from(["failures", "no_rule_matched", "high_risk"]), unique=True, min_size=1).map(tuple)),
        failures=draw(st.integers(1, 3)),
        high_risk=("danger",),
    )
    return TaskClass(
        name=name,
        patterns=draw(st.sampled_from([(), ("hello",)])),
        quality_floor=draw(st.none() | st.just(0.7)),
        first_token_s=draw(st.none() | st.just(1.0)),
        promotion=draw(st.none() | st.just(promotion)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    strategy, names, weights = draw(route())
    classes = [(name, draw(route())) for name in CLASSES if draw(st.booleans())]
    model = Model(
        name="m",
        strategy=strategy,
        deployments=names,
        weights=weights,
        classes=tuple(ClassRoute(task_class=name, strategy=r[0], deployments=r[1], weights=r[2]) for name, r in classes),
        regions=draw(st.sampled_from([(), (), ("eu", "us")])),
        timeouts=Timeouts(total_s=60.0),
        retries=Retries(max_attempts=draw(st.integers(1, 8)), per_deployment=draw(st.integers(1, 3)), budget_floor=1_000),
        truncation=Truncation(strategy=draw(st.sampled_from(["refuse", "drop_oldest"]))),
    )
    return Snapshot(
        version=1,
        digest="",
        compiled_at=0.0,
        policy_version="p",
        deployments=tuple(draw(deployment(name)) for name in NAMES),
        models=(model,),
        task_classes=tuple(draw(task_class(name)) for name in CLASSES),
    )


@st.composite
def calls(draw: st.DrawFn) -> ModelCall:
    words = draw(st.sampled_from(["hello", "danger", "word " * 3_000]))
    body = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % words.encode()
    return ModelCall(
        operation=draw(st.sampled_from([Operation.CHAT, Operation.CHAT, Operation.EMBEDDINGS])),
        wire=draw(st.sampled_from([Wire.OPENAI, Wire.OPENAI_RESPONSES])),
        model="m",
        body=body,
        input_tokens_bound=len(body),
        stream=draw(st.booleans()),
        needs=draw(st.frozensets(st.sampled_from(CAPABILITIES), max_size=2)),
        regions=draw(some_regions),
        task_class=draw(st.sampled_from(["", *CLASSES])),
    )


@st.composite
def healths(draw: st.DrawFn) -> Health:
    times = st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 9))
    return Health(
        open=draw(st.frozensets(st.sampled_from(NAMES))),
        first_token_s=draw(times),
        whole_s=draw(times),
        in_flight=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3))),
    )


tenants = st.builds(Tenant, name=st.just("acme"), regions=some_regions)


def planned(router: StrategyRouter, world: Snapshot, tenant: Tenant, call: ModelCall, health: Health, draw: float) -> Plan | None:
    try:
        return router.plan(world, tenant, call, health, draw)
    except (NoRoute, ContextTooLong, Unavailable):
        return None


def may_go(each: Deployment, world: Snapshot, tenant: Tenant, call: ModelCall) -> bool:
    """Residency, said once more and in other words than the router's own."""
    for wish in (call.regions, tenant.regions, world.models[0].regions):
        if wish and each.region not in wish and not (each.region is None and each.provider == "local"):
            return False
    return True


@settings(max_examples=150, deadline=None)
@given(worlds(), tenants, calls(), healths(), DRAWS, st.data())
def test_no_plan_no_fallback_and_no_promotion_leaves_the_regions(world, tenant, call, health, draw, data):
    router = StrategyRouter(lambda: 1.0)
    plan = planned(router, world, tenant, call, health, draw)
    if plan is None:
        return
    assert all(may_go(each, world, tenant, call) for each in plan.deployments)
    assert all(
        may_go(next(d for d in world.deployments if d.name == c.deployment), world, tenant, call) for c in plan.considered if c.taken
    )
    failed: list[Failure] = []
    current = plan.deployments[0]
    while True:
        kind = data.draw(st.sampled_from(ERRORS))
        failed.append(Failure(deployment=current.name, error=kind("x"), elsewhere=True, other_key=data.draw(st.booleans())))
        onward = router.after_failure(plan, failed, 1.0, 0.5)
        if onward is None:
            break
        current, wait_s = onward
        assert may_go(current, world, tenant, call)
        assert current in plan.deployments
        assert 0 <= wait_s < 59.0
    assert len(failed) <= plan.model.max_attempts


@settings(max_examples=150, deadline=None)
@given(worlds(), tenants, calls(), healths(), DRAWS)
def test_a_plan_holds_only_who_can_once_each_and_is_the_same_again(world, tenant, call, health, draw):
    router = StrategyRouter(lambda: 1.0)
    plan = planned(router, world, tenant, call, health, draw)
    if plan is None:
        return
    names = [each.name for each in plan.deployments]
    assert len(set(names)) == len(names) > 0
    for each in plan.deployments:
        own_protocol = call.wire is Wire.OPENAI_RESPONSES and call.operation is Operation.CHAT and "responses" in each.operations
        assert call.operation.value in each.operations or own_protocol
        assert not call.needs.intersection(each.abilities.lacks)
        assert not each.reserved_for or tenant.name in each.reserved_for
    told = [each.deployment for each in plan.considered]
    assert len(set(told)) == len(told)
    assert [each.deployment for each in plan.considered if each.taken] == names
    if plan.stages:
        assert [(stage.start, stage.end) for stage in plan.stages] == list(
            zip([0, *(stage.end for stage in plan.stages)], [stage.end for stage in plan.stages], strict=False)
        )
        assert plan.stages[-1].end == len(names)
    assert planned(StrategyRouter(lambda: 9.0), world, tenant, call, health, draw) == plan


@settings(max_examples=150, deadline=None)
@given(worlds(), tenants, calls(), st.data())
def test_nobody_who_refused_or_kept_silent_is_asked_again_before_others(world, tenant, call, data):
    router = StrategyRouter(lambda: 1.0)
    plan = planned(router, world, tenant, call, Health(), 0.5)
    if plan is None:
        return
    failed: list[Failure] = []
    current = plan.deployments[0]
    while True:
        kind = data.draw(st.sampled_from(ERRORS))
        failed.append(Failure(deployment=current.name, error=kind("x"), elsewhere=True))
        onward = router.after_failure(plan, failed, 1.0, 0.5)
        if onward is None:
            break
        current = onward[0]
        before = [each.error for each in failed if each.deployment == current.name]
        assert not any(isinstance(each, errors.UpstreamRejected | errors.InvalidRequest | NoRuleMatched) for each in before)
        if any(isinstance(each, DeadlineExceeded) for each in before) and not plan.stages:
            tried = {each.deployment for each in failed}
            refused = {each.name for each in plan.deployments if any(isinstance(f.error, ContextTooLong) for f in failed)}
            assert tried | refused >= {each.name for each in plan.deployments}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["request", "request", "retry", "hedge"]), st.sampled_from([0.0, 0.1, 0.4, 1.0, 3.0, 11.0])), max_size=120
    ),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(0, 3),
)
def test_the_budgets_are_never_exceeded(steps, ratio, floor):
    budget, rules, hedge = RetryBudget(), Retries(budget_ratio=ratio, budget_floor=floor), Hedge(budget_ratio=0.1)
    now = 100.0
    seen: list[tuple[str, int]] = []

    def within(kind: str) -> int:
        return sum(each == kind and second > int(now) - 10 for each, second in seen)

    for kind, wait_s in steps:
        now += wait_s
        if kind == "request":
            budget.requested(now)
            seen.append(("request", int(now)))
            continue
        room = within("retry") + within("hedge") + 1 <= ratio * within("request") + floor
        if kind == "retry":
            assert budget.take(rules, now) == room
            seen += [("retry", int(now))] * room
        else:
            room = room and within("hedge") + 1 <= max(0.1 * within("request"), 1.0)
            assert budget.take_hedge(hedge, rules, now) == room
            seen += [("hedge", int(now))] * room


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 3.0), (5.0, 0.0, 2.0, 1.0), (1e-6, 1e6), (0.1, 0.2, 0.3)])
def test_weights_are_honoured_within_a_confidence_bound(weights):
    count, chance = 4_000, random.Random(20_260_101)
    deployments = [Deployment(name=str(n), provider="openai", base_url="http://h", model="m") for n in range(len(weights))]
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b"{}")
    orders = Counter(
        tuple(int(each.name) for each in weighted(deployments, weights, Moment(call=call, health=Health(), draw=chance.random())))
        for _ in range(count)
    )
    assert all(sorted(order) == list(range(len(weights))) for order in orders)
    for order in orders | Counter({tuple(range(len(weights))): 0}):
        # How likely drawing without putting back makes this whole order.
        share, left = 1.0, sum(weights)
        for place in order:
            if left > 0:
                share *= weights[place] / left
                left = max(left - weights[place], 0.0) if weights[place] else left
        if any(weights[place] == 0 for place in order):
            assert weights[order[-1]] == 0
            continue
        # Five standard deviations: once in three million.
        bound = 5 * math.sqrt(max(share * (1 - share), 1 / count) / count)
        assert abs(orders[order] / count - share) <= bound
    firsts = Counter[int]()
    for order, times in orders.items():
        firsts[order[0]] += times
    for place, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(firsts[place] / count - share) <= 5 * math.sqrt(max(share * (1 - share), 1 / count) / count)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(any), DRAWS)
def test_a_draw_always_gives_an_order_with_the_weightless_last(weights, draw):
    deployments = [Deployment(name=str(n), provider="openai", base_url="http://h", model="m") for n in range(len(weights))]
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b"{}")
    order = [int(each.name) for each in weighted(deployments, weights, Moment(call=call, health=Health(), draw=draw))]
    assert sorted(order) == list(range(len(weights)))
    assert [weights[place] > 0 for place in order] == sorted((weight > 0 for weight in weights), reverse=True)


def test_an_error_of_the_request_ends_it_wherever_it_comes_from():
    world = Snapshot(
        version=1,
        digest="",
        compiled_at=0.0,
        policy_version="p",
        deployments=tuple(Deployment(name=name, provider="openai", base_url="http://h", model="m") for name in "ab"),
        models=(Model(name="m", strategy="priority", deployments=("a", "b")),),
    )
    router = StrategyRouter(lambda: 1.0)
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b"{}")
    plan = router.plan(world, Tenant(name="acme"), call, Health(), 0.0)
    for error in (NinefoldError("x"), errors.InvalidRequest("x")):
        assert router.after_failure(plan, [Failure(deployment="a", error=error, elsewhere=True)], 1.0, 0.5) is None
