"""Where may this call go, and in which order?"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.errors import ContextTooLong, Unavailable
from ninefold.domain.snapshot import Deployment, Snapshot, Tenant
from ninefold.ports.router import Edit, Failure, Health, Plan
from ninefold.routing.affinity import with_favourite_first
from ninefold.routing.budget import RetryBudget
from ninefold.routing.context_fit import too_small
from ninefold.routing.onward import onward
from ninefold.routing.order import STRATEGIES, Moment
from ninefold.routing.route import Leg, Route, RouteIndex, plan_of
from ninefold.routing.task_class import FAILURES
from ninefold.wire.prompts.prefix import prefix_digest

_MOST_PLANS = 1_024  # there are n! orders of n deployments
_FULL_RETRY_S = 1.0
_REFUSE = "refuse"
_NOBODY: frozenset[str] = frozenset()


class StrategyRouter:
    """A `Router`: filters first, then the strategy of the route, then what is full or has an open breaker last.

    It remembers two things from call to call, and neither changes an order: the routes of the snapshot, which are worked out once, and
    how many requests each model had in the last ten seconds, by which its retries are bounded.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._index: RouteIndex | None = None
        self._budgets: dict[str, RetryBudget] = {}

    def plan(self, snapshot: Snapshot, tenant: Tenant, call: ModelCall, health: Health, draw: float) -> Plan:
        index = self._index
        if index is None or index.snapshot is not snapshot:
            index = self._index = RouteIndex(snapshot, self._budget)
        task_class, doubt = call.task_class, ""
        if task_class or index.classes.reads_text:
            begun, doubt = index.classes.begin(call)
            task_class = "" if begun is None else begun.name
        route = index.route(tenant, call, task_class)
        route.budget.requested(self._monotonic())
        plain = route.plain
        if (
            plain is not None
            and not health.open
            and not doubt
            and call.input_tokens_bound + (call.max_output_tokens or 0) <= route.certain_tokens
        ):
            return plain
        return choose(route, call, health, draw, doubt)

    def after_failure(self, plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> tuple[Deployment, float] | None:
        found = onward(plan, failed, elapsed_s, jitter)
        if found is None or failed[-1].other_key:
            return found
        return found if self._budget(plan.model.name).take(plan.model.retries, self._monotonic()) else None

    def may_hedge(self, plan: Plan, now: float) -> bool:
        hedge = plan.model.hedge
        return hedge is not None and self._budget(plan.model.name).take_hedge(hedge, plan.model.retries, now)

    def _budget(self, model: str) -> RetryBudget:
        found = self._budgets.get(model)
        if found is None:
            found = self._budgets[model] = RetryBudget()
        return found


def choose(route: Route, call: ModelCall, health: Health, draw: float, doubt: str) -> Plan:
    """The plan of `route` for this call at this moment. Raises: ContextTooLong, Unavailable."""
    notes, edit = _without_room(route, call)
    full = _full(route, health)
    last = full | health.open
    ordered = [_ordered(leg, Moment(health=health, draw=draw, call=call), notes, full, last) for leg in route.legs]
    if route.model.affinity and call.operation is Operation.CHAT:
        prefix = prefix_digest(call)
        ordered = [with_favourite_first(chosen, prefix, last) for chosen in ordered]
    names = tuple([tuple([each.name for each in chosen]) for chosen in ordered])
    key = (names, last, tuple(notes.items()), edit, doubt) if last or notes or doubt or edit is not None else names
    found = route.plans.get(key)
    if full and full.issuperset([name for chosen in names for name in chosen]):
        raise Unavailable(f"Every deployment of {route.model.name} has as many requests under way as it may.", retry_after_s=_FULL_RETRY_S)
    if found is None:
        if len(route.plans) >= _MOST_PLANS:
            route.plans.clear()
        for name in (name for chosen in names for name in chosen if name in last):
            notes[name] = "has as many requests under way as it may, so last" if name in full else "cooling down, so last"
        found = route.plans[key] = plan_of(route, ordered, notes, doubt, edit)
    return found


def _ordered(leg: Leg, moment: Moment, small: Container[str], full: frozenset[str], last: frozenset[str]) -> list[Deployment]:
    deployments, weights = leg.deployments, leg.weights
    if small:
        kept = [(each, weight) for each, weight in zip(deployments, weights, strict=True) if each.name not in small]
        deployments, weights = tuple([each for each, _ in kept]), tuple([weight for _, weight in kept])
    if leg.task_class is not None:
        moment.first_token_s = leg.task_class.first_token_s
    chosen = STRATEGIES[leg.strategy](deployments, weights, moment)
    return sorted(chosen, key=lambda each: (each.name in full, each.name in last)) if last else chosen


def _full(route: Route, health: Health) -> frozenset[str]:
    if not route.bounded:
        return _NOBODY
    return frozenset(
        each.name
        for leg in route.legs
        for each in leg.deployments
        if each.max_in_flight is not None and health.in_flight.get(each.name, 0) >= each.max_in_flight
    )


def _without_room(route: Route, call: ModelCall) -> tuple[dict[str, str], Edit | None]:
    """Which deployments are too small for the conversation, with the reason; where all are, all but the largest, and how the conversation
    is cut for it. Raises: ContextTooLong where it may not be cut."""
    if call.operation is not Operation.CHAT or call.input_tokens_bound + (call.max_output_tokens or 0) <= route.certain_tokens:
        return {}, None
    small = too_small([each for leg in route.legs for each in leg.deployments], call)
    tried = _reached(route, small)
    if any(each.name not in small for each in tried):
        return small, None
    rules = route.model.truncation
    if rules.strategy == _REFUSE:
        why = "; ".join(f"{each.name} {small[each.name]}" for each in tried)
        raise ContextTooLong(f"The conversation does not fit into any deployment of {route.model.name}: {why}.", param="messages")
    largest = max(each.abilities.context_tokens or 0 for each in tried)
    for each in tried:
        if each.abilities.context_tokens == largest:
            del small[each.name]
    return small, Edit(strategy=rules.strategy, context_tokens=largest, summarise_with=rules.summarise_with)


def _reached(route: Route, small: dict[str, str]) -> list[Deployment]:
    """The deployments of the first leg, and of the next ones as long as those before have no room and hand on what fails."""
    found: list[Deployment] = []
    for leg in route.legs:
        found += leg.deployments
        if any(each.name not in small for each in leg.deployments) or leg.promotion is None or FAILURES not in leg.promotion.on:
            break
    return found
