"""From one task class to the next where the first cannot answer well enough."""

from __future__ import annotations

from typing import Final

import msgspec

from ninefold.domain.answer import Whole
from ninefold.domain.money import usd
from ninefold.domain.snapshot import Deployment
from ninefold.ports.router import Plan, Stage

LOW_SUPPORT: Final = "low_support"


class Promoted(msgspec.Struct, kw_only=True):
    """A request went on to another task class: why, and what its attempts in the class before had cost."""

    source: str
    to: str
    why: str
    cost_nanos: int

    def fact(self) -> dict[str, object]:
        """As it stands in the route of an answer."""
        return {"from": self.source, "to": self.to, "why": self.why, "cost_usd": msgspec.Raw(usd(self.cost_nanos).encode())}


def stage_of(plan: Plan, deployment: Deployment, since: int) -> int:
    """The stage in which `deployment` is tried: the first that has it, from stage `since` on; else the first of all that has it."""
    for number in (*range(since, len(plan.stages)), *range(since)):
        stage = plan.stages[number]
        if any(each is deployment for each in plan.deployments[stage.start : stage.end]):
            return number
    return since


def stage_behind(plan: Plan, at: int) -> int | None:
    """The stage that stage `at` promotes to: the next one with anybody in it, None where there is none or it does not promote."""
    if plan.stages[at].promotion is None:
        return None
    return next((number for number in range(at + 1, len(plan.stages)) if plan.stages[number].start < plan.stages[number].end), None)


def lacks_support(stage: Stage, whole: Whole) -> bool:
    """Whether the deployment stands behind its answer less than the task class asks for."""
    promotion = stage.promotion
    return promotion is not None and whole.support is not None and LOW_SUPPORT in promotion.on and whole.support < promotion.min_support
