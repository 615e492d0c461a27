"""A pass-through stays with one vendor: its path means nothing to another."""

from __future__ import annotations

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.snapshot import Deployment, Model, Snapshot, Tenant
from ninefold.ports.router import Health
from ninefold.routing.plan import StrategyRouter


def planned(operation: Operation) -> dict[str, str | None]:
    """The deployments that are tried, and why the others are not."""
    given = [("a", "openai"), ("b", "anthropic"), ("c", "openai")]
    deployments = tuple(
        Deployment(name=name, provider=provider, base_url="http://h", model="m", operations=("chat", "passthrough"))
        for name, provider in given
    )
    model = Model(name="m", strategy="priority", deployments=("a", "b", "c"))
    snapshot = Snapshot(version=1, digest="", compiled_at=0.0, policy_version="p", deployments=deployments, models=(model,))
    call = ModelCall(operation=operation, wire=Wire.OPENAI, model="m", body=b"{}")
    plan = StrategyRouter(lambda: 1.0).plan(snapshot, Tenant(name="acme"), call, Health(), 0.0)
    return {each.deployment: None if each.taken else each.why for each in plan.considered}


def test_only_deployments_of_the_first_ones_vendor_are_tried() -> None:
    assert planned(Operation.PASSTHROUGH) == {"a": None, "c": None, "b": "does not speak the protocol of openai"}


def test_everything_else_goes_to_any_vendor() -> None:
    assert planned(Operation.CHAT) == {"a": None, "b": None, "c": None}
