"""Tables of medians, and what was promised against what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]  # target -> kind of window -> rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One promise: `value` must be at most `target`; `moonshot` is what we would like."""

    name: str
    unit: str
    value: float | None
    target: float
    moonshot: float | None = None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.moonshot is not None and self.value <= self.moonshot:
            return "pass, moonshot"
        return "pass" if self.value <= self.target else "MISS"


def median(rounds: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Of the rounds that have it."""
    values = [float(each[name]) for each in rounds if name in each]
    return statistics.median(values) if values else None


def of(results: Results, target: str, kind: str, name: str) -> float | None:
    """The median of `name` over the rounds of one kind of window."""
    return median(results.get(target, {}).get(kind, ()), name)


def ratio(value: float | None, to: float | None) -> float | None:
    """None where either is missing."""
    return None if value is None or not to else value / to


def added_us(results: Results, target: str, kind: str, name: str) -> float | None:
    """The median over the rounds of what the target adds to the direct way, each round against its own."""
    pairs = zip(results.get(target, {}).get(kind, ()), results.get(target, {}).get(kind + "_direct", ()), strict=False)
    added = [float(here[name]) - float(direct[name]) for here, direct in pairs]
    return statistics.median(added) if added else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, numbers to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [" | ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
             for row in (head, *rows)]  # fmt: skip
    lines.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join("| " + line + " |" if i != 1 else "|-" + line + "-|" for i, line in enumerate(lines))


def shown(value: float | None, digits: int = 0) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def results_table(results: Results, memory: Mapping[str, Mapping[str, float]]) -> str:
    """One row a target."""
    head = (
        "target", "RPS", "CPU µs/req", "tree µs/req", "x nginx", "stream µs/event", "tree µs/event", "x nginx", "+p50 ms @100",
        "+p99 ms @100",
        "+p50 ms @half", "+p99 ms @half", "RSS MB start→load", "PSS MB start→load", "faults",
    )  # fmt: skip
    nginx, nginx_event = of(results, "nginx", "sat", "cpu_us"), of(results, "nginx", "paced", "cpu_event_us")
    rows: list[tuple[str, ...]] = []
    for name, kinds in results.items():
        cpu, event = of(results, name, "sat", "cpu_us"), of(results, name, "paced", "cpu_event_us")
        mb = memory.get(name, {})
        faults = sum(int(each.get("faults", 0)) for kind in kinds.values() for each in kind)
        rows.append(
            (
                name,
                shown(of(results, name, "sat", "rps")),
                shown(cpu, 1),
                shown(of(results, name, "sat", "tree_cpu_us"), 1),
                shown(ratio(cpu, nginx), 2),
                shown(event, 1),
                shown(of(results, name, "paced", "tree_cpu_event_us"), 1),
                shown(ratio(event, nginx_event), 2),
                *(
                    shown(None if (added := added_us(results, name, kind, at)) is None else added / 1000, 2)
                    for kind, at in (("low", "p50_us"), ("low", "p99_us"), ("half", "p50_us"), ("half", "p99_us"))
                ),
                f"{shown(mb.get('start_rss'))}→{shown(mb.get('load_rss'))}",
                f"{shown(mb.get('start_pss'))}→{shown(mb.get('load_pss'))}",
                str(faults),
            )
        )
    return table(head, rows)


def claims_table(claims: Sequence[Claim]) -> str:
    """One row a promise."""
    rows = [
        (
            claim.name,
            f"{shown(claim.value, 2)} {claim.unit}",
            f"≤ {claim.target:g}",
            f"{claim.moonshot:g}" if claim.moonshot else "-",
            claim.verdict,
        )
        for claim in claims
    ]
    return table(("claim", "measured", "target", "moonshot", "verdict"), rows)
