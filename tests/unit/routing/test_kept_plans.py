"""Plans are kept from request to request; none tells or does what only another request asked for."""

import json

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.snapshot import Abilities, Deployment, Model, Snapshot, Tenant, Truncation
from ninefold.ports.router import Health
from ninefold.routing.plan import StrategyRouter

TENANT = Tenant(name="acme", models=("*",))


def deployment(name, context):
    return Deployment(
        name=name, provider="openai", base_url="http://h", model="v", max_output_tokens=100, abilities=Abilities(context_tokens=context)
    )


def route(strategy, contexts):
    deployments = tuple(deployment(f"d{n}", context) for n, context in enumerate(contexts))
    model = Model(
        name="m", strategy=strategy, deployments=tuple(each.name for each in deployments), weights=(1.0,) * len(deployments),
        truncation=Truncation(strategy="drop_oldest"),
    )  # fmt: skip
    snapshot = Snapshot(
        version=1, digest="", compiled_at=0.0, policy_version="p", deployments=deployments, models=(model,), tenants=(TENANT,)
    )
    router = StrategyRouter(lambda: 0.0)

    def plan(words):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 50}] * (words // 50)}).encode()
        call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=body, input_tokens_bound=len(body))
        return router.plan(snapshot, TENANT, call, Health(), 0.0)

    return plan


@pytest.mark.parametrize("strategy", ["priority", "weighted", "cheapest", "least_busy"])
@pytest.mark.parametrize("sizes", [(50, 4000), (4000, 50), (400, 4000), (4000, 400)])
def test_only_what_does_not_fit_is_cut(strategy, sizes):
    plan = route(strategy, (1000, 1000))
    for words in sizes:
        assert (plan(words).edit is not None) == (words == 4000), words


def test_a_reason_tells_of_the_request_itself():
    plan = route("priority", (200, 100_000))
    reasons = [next(each.why for each in plan(words).considered if each.deployment == "d0") for words in (400, 4000)]
    assert reasons[0] != reasons[1]
