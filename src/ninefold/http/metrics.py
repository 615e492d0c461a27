"""Counters, gauges and histograms of one gateway worker, and all workers' together as Prometheus text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

# Source: OpenTelemetry semantic conventions v1.41, explicit buckets of gen_ai.server.request.duration, of
# gen_ai.server.time_to_first_token (both in seconds) and of gen_ai.client.token.usage.
DURATION_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_S: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS: Final = tuple(float(4**power) for power in range(14))
_MAX_SERIES = 2_000
_OTHER = "other"

Labels = tuple[str, ...]
Dump = dict[str, list[tuple[Labels, list[float]]]]


@dataclass(slots=True)
class Family:
    """One metric: its samples by label values. A histogram, which is what has `bounds`, keeps bucket counts, then count and sum."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    samples: dict[Labels, list[float]] = field(default_factory=dict[Labels, list[float]])

    def sample(self, values: Labels) -> list[float]:
        """The sample of these label values, to be counted in; it stays the same one."""
        found = self.samples.get(values)
        if found is None:
            if len(self.samples) >= _MAX_SERIES:  # labels are bounded by configuration; this is the wall behind it
                values = (_OTHER,) * len(values)
            found = self.samples.setdefault(values, [0.0] * self.size)
        return found

    def add(self, values: Labels, amount: float = 1.0) -> None:
        """A counter has grown by `amount`."""
        self.sample(values)[0] += amount

    def put(self, values: Labels, amount: float) -> None:
        """A gauge, or a counter that somebody else counts, stands at `amount`."""
        self.sample(values)[0] = amount

    @property
    def size(self) -> int:
        """The numbers in a sample: a histogram has a bucket more than bounds."""
        return len(self.bounds) + 3 if self.bounds else 1


def observe(sample: list[float], bounds: tuple[float, ...], value: float) -> None:
    """The sample of a histogram has one more observation."""
    sample[bisect_left(bounds, value)] += 1
    sample[-2] += 1
    sample[-1] += value


_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class Metrics:
    """What this worker has seen. Label values are names from the configuration, or words of ours; never anything a caller wrote."""

    def __init__(self) -> None:
        self._families: list[Family] = []
        add = self._add
        labels = ("surface", "model", "status", "cache")
        self.requests = add(Family("ninefold_requests_total", "counter", "Requests that have ended.", labels))
        text = "From the request's head to the answer's last byte."
        self.duration = add(Family("gen_ai_server_request_duration_seconds", "histogram", text, _CALL, DURATION_S))
        text = "From the request's head to the first content of a stream."
        self.first_token = add(Family("gen_ai_server_time_to_first_token_seconds", "histogram", text, _CALL, FIRST_TOKEN_S))
        labels = (*_CALL, "gen_ai_token_type")
        self.tokens = add(Family("gen_ai_client_token_usage_tokens", "histogram", "Tokens that an answer used.", labels, TOKENS))
        self.cost = add(Family("ninefold_cost_usd_total", "counter", "Cost of answers in USD, by tenant.", ("tenant",)))
        text = "Attempts at deployments, by how they ended: completed, failed, client_closed or the code of an error."
        self.attempts = add(Family("ninefold_attempts_total", "counter", text, ("deployment", "outcome")))
        text = "Attempts that followed one which had failed."
        self.retries = add(Family("ninefold_retries_total", "counter", text, ("model",)))
        text = "Second attempts beside a late one: sent, and whether they won or lost."
        self.hedges = add(Family("ninefold_hedges_total", "counter", text, ("model", "result")))
        text = "Cost in USD of attempts that were called off because another was faster."
        self.hedge_cost = add(Family("ninefold_hedge_cost_usd_total", "counter", text, ("model",)))
        labels = ("from", "to", "why")
        self.promotions = add(Family("ninefold_promotions_total", "counter", "Requests handed on to another task class.", labels))
        text = "Cost in USD of what was tried before a promotion."
        self.promotion_cost = add(Family("ninefold_promotion_cost_usd_total", "counter", text, labels))
        self.shed = add(Family("ninefold_requests_shed_total", "counter", "Requests turned away because too much ran at once."))
        self.queued = add(Family("ninefold_requests_queued", "gauge", "Requests that wait for a place."))
        self.cache_bytes = add(Family("ninefold_answer_cache_bytes", "gauge", "Bytes of kept answers."))
        self.cache_entries = add(Family("ninefold_answer_cache_entries", "gauge", "Kept answers."))
        text = "Attempts under way at a deployment."
        self.in_flight = add(Family("ninefold_deployment_in_flight", "gauge", text, ("deployment",)))
        text = "In how many workers a deployment's circuit breaker is open."
        self.breakers = add(Family("ninefold_breaker_open", "gauge", text, ("deployment",)))
        self.gauges = add(Family("ninefold_gateway", "gauge", "State of the gateway workers.", ("state",)))

    def families(self) -> tuple[Family, ...]:
        """All of them."""
        return tuple(self._families)

    def dump(self) -> Dump:
        """Everything, for another worker to add to its own."""
        return {family.name: list(family.samples.items()) for family in self._families}

    def _add(self, family: Family) -> Family:
        self._families.append(family)
        return family


def render(metrics: Metrics, others: Iterable[Dump]) -> bytes:
    """The Prometheus text of this worker's metrics and those of `others`, summed; what another version laid out otherwise is left out.

    Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format" 0.0.4.
    """
    others = list(others)
    lines: list[str] = []
    for family in metrics.families():
        summed: dict[Labels, list[float]] = {}
        for source in (list(family.samples.items()), *(other.get(family.name, []) for other in others)):
            for values, sample in source:
                if len(values) == len(family.labels) and len(sample) == family.size:
                    known = summed.get(tuple(values))
                    summed[tuple(values)] = list(sample) if known is None else [a + b for a, b in zip(known, sample, strict=True)]
        lines += (f"# HELP {family.name} {family.text}", f"# TYPE {family.name} {family.kind}")
        for values, sample in sorted(summed.items()):
            labels = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(family.labels, values, strict=True))
            if family.bounds:
                lines += _histogram(family, labels, sample)
            else:
                lines.append(f"{family.name}{{{labels}}} {sample[0]:.10g}" if labels else f"{family.name} {sample[0]:.10g}")
    return ("\n".join(lines) + "\n").encode()


def _histogram(family: Family, labels: str, sample: list[float]) -> list[str]:
    name = family.name
    lines: list[str] = []
    total = 0.0
    for bound, count in zip((*family.bounds, "+Inf"), sample, strict=False):
        total += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total:.10g}')
    lines += (f"{name}_sum{{{labels}}} {sample[-1]:.10g}", f"{name}_count{{{labels}}} {sample[-2]:.10g}")
    return lines


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
