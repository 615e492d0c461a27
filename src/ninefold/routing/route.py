"""What can be said of a call's way before anybody knows how the deployments fare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import ModelNotFound, NoRoute
from ninefold.domain.snapshot import ClassRoute, Deployment, Model, Promotion, Snapshot, TaskClass, Tenant
from ninefold.ports.router import Candidate, Edit, Plan, Stage
from ninefold.routing.budget import RetryBudget
from ninefold.routing.context_fit import certain_tokens
from ninefold.routing.eligible import Demand, allowed_regions, kept_out
from ninefold.routing.task_class import FAILURES, TaskClasses

# Callers choose regions, capabilities and classes: what they can make us remember is bounded.
_MOST_ROUTES = 4_096

Key = tuple[str, str, Operation, Wire, frozenset[str], tuple[str, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The part of a route that belongs to one task class (or to none); no deployment stands in two legs of one route."""

    name: str
    strategy: str
    deployments: tuple[Deployment, ...]
    weights: tuple[float, ...]
    task_class: TaskClass | None = None
    promotion: Promotion | None = None


# Not frozen: its plans are filled in as they are asked for.
@dataclass(slots=True, kw_only=True)
class Route:
    """What a model, a tenant and the kind of a call come to.

    `left_out` are those that may not take such a call at all. Up to `certain_tokens` of input bound and asked-for output every
    deployment has room; where some are `bounded` they take only so many attempts at once. `budget` outlives the snapshot. `plain` is
    the plan where there is nothing left to choose: one leg, in its listed order. `plans` are those made so far, by what was chosen.
    """

    model: Model
    legs: tuple[Leg, ...]
    left_out: tuple[Candidate, ...]
    certain_tokens: int
    bounded: bool
    budget: RetryBudget
    plain: Plan | None = None
    plans: dict[tuple[object, ...], Plan] = field(default_factory=dict[tuple[object, ...], Plan])


class RouteIndex:
    """A snapshot's routes; each is worked out once."""

    __slots__ = ("_budget", "_deployments", "_models", "_routes", "classes", "snapshot")

    def __init__(self, snapshot: Snapshot, budget: Callable[[str], RetryBudget]) -> None:
        self.snapshot = snapshot
        self._budget = budget
        self.classes = TaskClasses(snapshot)
        self._deployments = {each.name: each for each in snapshot.deployments}
        self._models = {each.name: each for each in snapshot.models}
        self._routes: dict[Key, Route] = {}

    def route(self, tenant: Tenant, call: ModelCall, task_class: str) -> Route:
        """The route of such a call in `task_class` ("" for none). Raises: ModelNotFound, NoRoute."""
        key = (tenant.name, call.model, call.operation, call.wire, call.needs, call.regions, task_class)
        found = self._routes.get(key)
        if found is None:
            found = self._make(tenant, call, task_class)
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            self._routes[key] = found
        return found

    def _make(self, tenant: Tenant, call: ModelCall, task_class: str) -> Route:
        model = self._models.get(call.model)
        if model is None:
            raise ModelNotFound("There is no model of this name; GET /v1/models lists those you may use.", param="model")
        regions = allowed_regions(call.regions, tenant.regions, model.regions)
        demand = Demand(operation=call.operation, wire=call.wire, needs=call.needs, tenant=tenant.name, regions=regions)
        out: dict[str, str] = {}
        first = self.classes.get(task_class)
        if first is None:
            own = ClassRoute(task_class="", strategy=model.strategy, deployments=model.deployments, weights=model.weights)
            legs = [self._leg(own, demand, None, (), out)]
        else:
            legs = list[Leg]()
            for each in self.classes.chain(first):
                legs.append(self._leg(_route_of(model, each.name), demand, each, legs, out))
        left_out = tuple(Candidate(deployment=name, taken=False, why=why) for name, why in out.items())
        if not any(leg.deployments for leg in legs) or not _may_begin(legs):
            raise NoRoute(_nothing_left(model, regions, left_out), param="model")
        every = [each for leg in legs for each in leg.deployments]
        route = Route(
            model=model,
            legs=tuple(legs),
            left_out=left_out,
            certain_tokens=certain_tokens(every),
            budget=self._budget(model.name),
            bounded=any(each.max_in_flight is not None for each in every),
        )
        if len(legs) == 1 and legs[0].strategy == "priority" and not route.bounded and not model.affinity:
            route.plain = plan_of(route, [list(legs[0].deployments)], {}, "")
        return route

    def _leg(
        self, route: ClassRoute, demand: Demand, task_class: TaskClass | None, before: tuple[Leg, ...] | list[Leg], out: dict[str, str]
    ) -> Leg:
        """The leg of `route`; who may not stand in it is added to `out`."""
        taken = {each.name for leg in before for each in leg.deployments}
        weights = route.weights or (1.0,) * len(route.deployments)
        kept: list[tuple[Deployment, float]] = []
        for name, weight in zip(route.deployments, weights, strict=True):
            deployment = self._deployments.get(name)
            if name in taken or deployment is None:
                continue
            others = kept or [(each, 0.0) for leg in before for each in leg.deployments]
            why = (
                kept_out(deployment, demand)
                or _below_floor(deployment, route.strategy, task_class)
                or _stranger(deployment, demand, others)
            )
            if why is None:
                kept.append((deployment, weight))
                taken.add(name)
            else:
                out[name] = why
        return Leg(
            name=demand.operation.value if task_class is None else task_class.name,
            strategy=route.strategy,
            deployments=tuple(deployment for deployment, _ in kept),
            weights=tuple(weight for _, weight in kept),
            task_class=task_class,
            promotion=None if task_class is None else task_class.promotion,
        )


def _stranger(deployment: Deployment, demand: Demand, others: list[tuple[Deployment, float]]) -> str | None:
    """A path of one vendor's own means nothing to another, so that the first deployment decides whose it is."""
    if demand.operation is Operation.PASSTHROUGH and others and others[0][0].provider != deployment.provider:
        return f"does not speak the protocol of {others[0][0].provider}"
    return None


def plan_of(route: Route, ordered: list[list[Deployment]], notes: dict[str, str], doubt: str, edit: Edit | None = None) -> Plan:
    """The plan that tries the deployments of each leg as `ordered`; `notes` say what is special about some, `doubt` begins the reason."""
    deployments: list[Deployment] = []
    stages: list[Stage] = []
    considered: list[Candidate] = []
    for leg, chosen in zip(route.legs, ordered, strict=True):
        start = len(deployments)
        deployments += chosen
        stages.append(Stage(task_class=leg.name, start=start, end=len(deployments), promotion=leg.promotion))
        for place, each in enumerate(chosen, start + 1):
            considered.append(Candidate(deployment=each.name, taken=True, why=notes.get(each.name) or f"number {place} by {leg.strategy}"))
    taken = {each.deployment for each in considered}
    considered += [Candidate(deployment=name, taken=False, why=why) for name, why in notes.items() if name not in taken]
    first = route.legs[0]
    return Plan(
        model=route.model,
        deployments=tuple(deployments),
        strategy=first.strategy,
        task_class=first.name,
        reason=doubt + _reason(route, ordered, notes, taken),
        stages=tuple(stages) if first.promotion is not None else (),
        considered=(*considered, *route.left_out),
        edit=edit,
    )


def _reason(route: Route, ordered: list[list[Deployment]], notes: dict[str, str], taken: set[str]) -> str:
    """One sentence; why others were left out stands with the candidates."""
    parts: list[str] = []
    for leg, chosen in zip(route.legs, ordered, strict=True):
        names = ", then ".join(each.name for each in chosen) or "nobody"
        parts.append(f"{leg.strategy}: {names}" if not parts else f"if promoted to {leg.name}, {leg.strategy}: {names}")
    left_out = len(route.left_out) + sum(name not in taken for name in notes)
    if left_out:
        parts.append(f"{left_out} left out")
    parts += [f"{why}: {', '.join(sorted(names))}" for why, names in _grouped(notes, taken).items()]
    return "; ".join(parts)


def _grouped(notes: dict[str, str], taken: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, why in notes.items():
        if name in taken:
            found.setdefault(why, []).append(name)
    return found


def _route_of(model: Model, task_class: str) -> ClassRoute:
    own = ClassRoute(task_class=task_class, strategy=model.strategy, deployments=model.deployments, weights=model.weights)
    return next((each for each in model.classes if each.task_class == task_class), own)


def _below_floor(deployment: Deployment, strategy: str, task_class: TaskClass | None) -> str | None:
    """Why a route that goes by price may not use it: nobody has shown that it is good enough."""
    floor = None if task_class is None else task_class.quality_floor
    if strategy != "cheapest" or floor is None or task_class is None:
        return None
    scores = dict(deployment.quality)
    score = scores.get(task_class.name, scores.get("default"))
    if score is None:
        return f"has no evaluation score for {task_class.name}, which asks for {floor:g}"
    return None if score >= floor else f"has a score of {score:g} for {task_class.name}, which asks for {floor:g}"


def _may_begin(legs: list[Leg]) -> bool:
    """Whether the first leg has anybody, or hands on what nobody in it can do."""
    for leg in legs:
        if leg.deployments:
            return True
        if leg.promotion is None or FAILURES not in leg.promotion.on:
            return False
    return False


def _nothing_left(model: Model, regions: frozenset[str] | None, left_out: tuple[Candidate, ...]) -> str:
    if regions is not None and not regions:
        return f"The model {model.name} exists, but the request, its tenant and the model allow no region in common."
    why = "; ".join(f"{each.deployment} {each.why}" for each in left_out) or "its deployments are gone"
    return f"The model {model.name} exists, but no deployment of it may take this request: {why}."
