"""Counters and histograms of one gateway worker, and all workers' together as Prometheus text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

# Seconds. Source: OpenTelemetry semantic conventions v1.41, explicit buckets of gen_ai.server.request.duration.
_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_MAX_SERIES = 2_000
_OTHER = "other"

Labels = tuple[str, ...]


@dataclass(slots=True)
class Family:
    """One metric: its samples by label values. A histogram's sample is its bucket counts, then count and sum."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]
    samples: dict[Labels, list[float]] = field(default_factory=dict[Labels, list[float]])

    def add(self, values: Labels, amount: float) -> None:
        """A counter or gauge has grown by `amount`."""
        self._sample(values, 1)[0] += amount

    def observe(self, values: Labels, seconds: float) -> None:
        """A histogram has one more observation."""
        sample = self._sample(values, len(_BOUNDS) + 3)
        sample[bisect_left(_BOUNDS, seconds)] += 1
        sample[-2] += 1
        sample[-1] += seconds

    def _sample(self, values: Labels, size: int) -> list[float]:
        found = self.samples.get(values)
        if found is None:
            if len(self.samples) >= _MAX_SERIES:  # labels are bounded by configuration; this is the wall behind it
                values = (_OTHER,) * len(values)
            found = self.samples.setdefault(values, [0.0] * size)
        return found


class Metrics:
    """What this worker has seen. Label values are names from the configuration, never anything a caller wrote."""

    def __init__(self) -> None:
        self.requests = Family(
            "ninefold_requests_total", "counter", "Requests by surface, model and status.", ("surface", "model", "status")
        )
        self.duration = Family(
            "gen_ai_server_request_duration_seconds",
            "histogram",
            "From the request's head to the answer's last byte.",
            ("gen_ai_operation_name", "gen_ai_request_model"),
        )
        self.first_token = Family(
            "gen_ai_server_time_to_first_token_seconds",
            "histogram",
            "From the request's head to the first content of a stream.",
            ("gen_ai_operation_name", "gen_ai_request_model"),
        )
        self.tokens = Family(
            "gen_ai_client_token_usage_total", "counter", "Tokens used, by kind.", ("gen_ai_token_type", "gen_ai_request_model")
        )
        self.cost = Family("ninefold_cost_usd_total", "counter", "Cost in USD, by tenant.", ("tenant",))
        self.gauges = Family("ninefold_gateway", "gauge", "State of the gateway workers.", ("state",))
        self.breakers = Family(
            "ninefold_breaker_open", "gauge", "1 where a deployment's circuit breaker is open in a worker.", ("deployment",)
        )

    def families(self) -> tuple[Family, ...]:
        """All of them."""
        return (self.requests, self.duration, self.first_token, self.tokens, self.cost, self.gauges, self.breakers)

    def dump(self) -> dict[str, list[tuple[Labels, list[float]]]]:
        """Everything, for another worker to add to its own."""
        return {family.name: list(family.samples.items()) for family in self.families()}


def render(metrics: Metrics, others: Iterable[dict[str, list[tuple[Labels, list[float]]]]]) -> bytes:
    """The Prometheus text of this worker's metrics and those of `others`, summed."""
    others = list(others)
    lines: list[str] = []
    for family in metrics.families():
        summed: dict[Labels, list[float]] = {}
        for source in (list(family.samples.items()), *(other.get(family.name, []) for other in others)):
            for values, sample in source:
                known = summed.get(tuple(values))
                summed[tuple(values)] = list(sample) if known is None else [a + b for a, b in zip(known, sample, strict=True)]
        lines += (f"# HELP {family.name} {family.text}", f"# TYPE {family.name} {family.kind}")
        for values, sample in sorted(summed.items()):
            labels = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(family.labels, values, strict=True))
            if family.kind == "histogram":
                lines += _histogram(family.name, labels, sample)
            else:
                lines.append(f"{family.name}{{{labels}}} {sample[0]:.10g}")
    return ("\n".join(lines) + "\n").encode()


def _histogram(name: str, labels: str, sample: list[float]) -> list[str]:
    lines: list[str] = []
    total = 0.0
    for bound, count in zip((*_BOUNDS, "+Inf"), sample, strict=False):
        total += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total:.10g}')
    lines += (f"{name}_sum{{{labels}}} {sample[-1]:.10g}", f"{name}_count{{{labels}}} {sample[-2]:.10g}")
    return lines


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
