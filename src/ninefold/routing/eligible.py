"""Which deployments may take a call at all, whatever they cost and however fast they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ninefold.domain.call import Operation, Wire
from ninefold.domain.snapshot import Deployment

# Where these run is where we run: no data leaves for them.
_OURS = frozenset({"local", "rules"})
# Surfaces whose answers any deployment that can chat can give; one that speaks the protocol itself says so by this word.
_OWN_WORD = {Wire.OPENAI_RESPONSES: "responses", Wire.OPENAI_COMPLETIONS: "completions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of any deployment. `regions` is where the data may go, None anywhere."""

    operation: Operation
    wire: Wire
    needs: frozenset[str]
    tenant: str
    regions: frozenset[str] | None


def allowed_regions(*wishes: Iterable[str]) -> frozenset[str] | None:
    """What all of `wishes` allow, an empty one allowing everything; None where nobody said anything."""
    allowed: frozenset[str] | None = None
    for wish in wishes:
        named = frozenset(wish)
        if named:
            allowed = named if allowed is None else allowed & named
    return allowed


def kept_out(deployment: Deployment, demand: Demand) -> str | None:
    """Why `deployment` may not take it, None where it may."""
    if not in_region(deployment, demand.regions):
        where = deployment.region or "no known region"
        return f"is in {where}, and {_listed(demand.regions or ())} is allowed"
    if deployment.reserved_for and demand.tenant not in deployment.reserved_for:
        return "is reserved for other tenants"
    if demand.operation not in deployment.operations and not _speaks_itself(deployment, demand):
        return f"cannot do {demand.operation.value}"
    missing = demand.needs.intersection(deployment.abilities.lacks)
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    return None


def in_region(deployment: Deployment, regions: frozenset[str] | None) -> bool:
    """Whether data that may go to `regions` alone may go to `deployment`; what has no region may be anywhere, except here."""
    if regions is None:
        return True
    if deployment.region is None:
        return deployment.provider in _OURS
    return deployment.region in regions


def _speaks_itself(deployment: Deployment, demand: Demand) -> bool:
    return demand.operation is Operation.CHAT and _OWN_WORD.get(demand.wire) in deployment.operations


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    return f"only {' or '.join(found)}" if found else "no region"
