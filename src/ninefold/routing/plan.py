"""Where may this call go, and in which order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import ModelNotFound, NoRoute
from ninefold.domain.snapshot import Deployment, Model, Snapshot, Tenant
from ninefold.ports.router import Failure, Health, Plan
from ninefold.routing.onward import onward

_MAX_REORDERED = 1024  # there are 2^n ways to be ill


class RouteIndex:
    """A snapshot's plans, by model, operation and what is not to be tried; each is worked out once."""

    __slots__ = ("_deployments", "_models", "_plans", "_reordered", "snapshot")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._deployments = {each.name: each for each in snapshot.deployments}
        self._models = {each.name: each for each in snapshot.models}
        self._plans: dict[tuple[str, str], Plan] = {}
        self._reordered: dict[tuple[str, str, frozenset[str]], Plan] = {}

    def plan(self, model: str, operation: str) -> Plan:
        """The plan where everything is healthy. Raises: ModelNotFound, NoRoute."""
        found = self._plans.get((model, operation))
        if found is None:
            found = self._plans[model, operation] = self._make(model, operation)
        return found

    def plan_around(self, model: str, operation: str, open_names: frozenset[str]) -> Plan:
        """The plan with those among `open_names` last. Raises: ModelNotFound, NoRoute."""
        key = (model, operation, open_names)
        found = self._reordered.get(key)
        if found is None:
            found = _with_open_last(self.plan(model, operation), open_names)
            if len(self._reordered) >= _MAX_REORDERED:
                self._reordered.clear()
            self._reordered[key] = found
        return found

    def _make(self, name: str, operation: str) -> Plan:
        model = self._models.get(name)
        if model is None:
            raise ModelNotFound("There is no model of this name; GET /v1/models lists those you may use.", param="model")
        able = tuple(
            deployment
            for each in model.deployments
            if (deployment := self._deployments.get(each)) is not None and operation in deployment.operations
        )
        if not able:
            raise NoRoute(f"The model {name} exists, but none of its deployments can do {operation}.", param="model")
        return Plan(model=model, deployments=able, strategy=model.strategy, task_class=operation, reason=_reason(model, able))


def _reason(model: Model, able: tuple[Deployment, ...]) -> str:
    skipped = len(model.deployments) - len(able)
    order = ", then ".join(each.name for each in able)
    return f"{model.strategy}: {order}" + (f"; {skipped} cannot do this operation" if skipped else "")


class StrategyRouter:
    """A `Router`: the deployments of the model in the order of its route, those with an open breaker last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._index: RouteIndex | None = None

    def plan(self, snapshot: Snapshot, tenant: Tenant, call: ModelCall, health: Health, draw: float) -> Plan:
        del tenant, draw
        index = self._index
        if index is None or index.snapshot is not snapshot:
            index = self._index = RouteIndex(snapshot)
        if health.open:
            return index.plan_around(call.model, call.operation, health.open)
        return index.plan(call.model, call.operation)

    def after_failure(self, plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> tuple[Deployment, float] | None:
        return onward(plan, failed, elapsed_s, jitter)

    def may_hedge(self, plan: Plan, now: float) -> bool:
        del now
        return plan.model.hedge is not None and len(plan.deployments) > 1


def _with_open_last(plan: Plan, open_names: frozenset[str]) -> Plan:
    resting = tuple(each for each in plan.deployments if each.name in open_names)
    if not resting:
        return plan
    well = tuple(each for each in plan.deployments if each.name not in open_names)
    names = ", ".join(each.name for each in resting)
    detail = f"cooling down, so last: {names}" if well else "all are cooling down and tried all the same"
    return Plan(
        model=plan.model,
        deployments=(*well, *resting),
        strategy=plan.strategy,
        task_class=plan.task_class,
        reason=f"{plan.reason}; {detail}",
    )
