"""How long one attempt may take, and what else bounds it."""

from __future__ import annotations

from ninefold.domain.snapshot import Deployment, Model
from ninefold.ports.http_client import Deadlines
from ninefold.ports.upstream import AttemptLimits

_MOST_KNOWN = 1_000


class Limits:
    """Those of a first attempt are the same for every request that goes the same way: they are worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, bool, int], tuple[Model, Deployment, AttemptLimits]] = {}

    def first(self, model: Model, deployment: Deployment, among: int, *, stream: bool, output_cap: int) -> AttemptLimits:
        """Those of the first attempt of a plan of `among` deployments."""
        key = (id(model), id(deployment), among, stream, output_cap)
        known = self._known.get(key)
        if known is not None and known[0] is model and known[1] is deployment:
            return known[2]
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        limits = attempt_limits(model, deployment, ways_left(model, among, 1), stream=stream, output_cap=output_cap, elapsed_s=0.0)
        self._known[key] = (model, deployment, limits)
        return limits


def ways_left(model: Model, among: int, number: int) -> int:
    """How many attempts are left where `among` deployments can be tried and this is attempt `number`; it counts as well."""
    return min(model.max_attempts, among * model.retries.per_deployment) - number + 1


def attempt_limits(model: Model, deployment: Deployment, ways: int, *, stream: bool, output_cap: int, elapsed_s: float) -> AttemptLimits:
    """Those of an attempt that begins `elapsed_s` after the first, with so many `ways` left, this one included."""
    timeouts = model.timeouts
    left_s = timeouts.total_s - elapsed_s
    # A whole answer shows nothing before all of it is there, so its first byte may take long; but a silent deployment must leave
    # time for the others: each gets an equal share of what is left.
    first_s = timeouts.first_token_s if stream else max(timeouts.first_token_s, left_s / max(ways, 1))
    deadlines = Deadlines(
        connect_s=min(timeouts.connect_s, left_s),
        first_byte_s=min(first_s, left_s),
        idle_s=min(timeouts.idle_s, left_s),
        total_s=left_s,
    )
    return AttemptLimits(
        deadlines=deadlines,
        max_output_tokens=min(deployment.max_output_tokens, output_cap),
        answer_model=deployment.model if model.answers_as == "vendor" else None,
    )
