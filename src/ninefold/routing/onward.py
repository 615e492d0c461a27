"""Where to go after an attempt that came to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ninefold.domain.errors import ContextTooLong, DeadlineExceeded, NoRuleMatched
from ninefold.domain.snapshot import Deployment
from ninefold.ports.router import Failure, Plan
from ninefold.routing.retry import wait_again_s, worth_again, worth_elsewhere
from ninefold.routing.task_class import FAILURES, NO_RULE_MATCHED

Next = tuple[Deployment, float]


def onward(plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> Next | None:
    """The next deployment and the wait before it, None where the request must fail with its last error.

    Another key of the same deployment at once; the same deployment after a wait while it has tries left; then one that was not tried
    yet, at once; then the next task class, where this one says so; then the tried ones again, the least often tried first, with a wait.
    """
    last = failed[-1]
    left_s = plan.model.timeouts.total_s - elapsed_s
    if len(failed) >= plan.model.max_attempts or left_s <= 0:
        return None
    if last.other_key:
        same = next((each for each in plan.deployments if each.name == last.deployment), None)
        return None if same is None else (same, 0.0)
    if not last.elsewhere:
        return None
    attempt = _Attempt(plan, failed, left_s, jitter)
    if isinstance(last.error, NoRuleMatched):
        return attempt.promoted(NO_RULE_MATCHED)
    if not worth_elsewhere(last.error):
        return None
    if attempt.failures_suffice():
        return attempt.promoted(FAILURES) or attempt.within()
    return attempt.within() or attempt.promoted(FAILURES)


class _Attempt:
    """One look at what is left of a plan; the stage is that of the last failure."""

    def __init__(self, plan: Plan, failed: Sequence[Failure], left_s: float, jitter: float) -> None:
        self._plan = plan
        self._failed = failed
        self._left_s = left_s
        self._jitter = jitter
        self._tries = Counter(failure.deployment for failure in failed)
        self._errors = {failure.deployment: failure.error for failure in failed}
        self._number = _stage_of(plan, failed[-1].deployment)
        start, end = 0, len(plan.deployments)
        if plan.stages:
            stage = plan.stages[self._number]
            start, end = stage.start, stage.end
        self._here = [each for each in plan.deployments[start:end] if self._has_room(each)]

    def failures_suffice(self) -> bool:
        """Whether the task class hands on after as many failures as it has had."""
        if not self._plan.stages:
            return False
        promotion = self._plan.stages[self._number].promotion
        if promotion is None or FAILURES not in promotion.on:
            return False
        return sum(_stage_of(self._plan, each.deployment) == self._number for each in self._failed) >= promotion.failures

    def promoted(self, trigger: str) -> Next | None:
        """The first deployment of the next stage that has one, as far as each stage on the way hands on for `trigger`."""
        stages = self._plan.stages
        for number in range(self._number, len(stages) - 1):
            promotion = stages[number].promotion
            # A stage with nobody in it fails whatever it is asked.
            if promotion is None or (trigger if number == self._number else FAILURES) not in promotion.on:
                return None
            behind = stages[number + 1]
            found = next((each for each in self._plan.deployments[behind.start : behind.end] if self._has_room(each)), None)
            if found is not None:
                return found, 0.0
        return None

    def within(self) -> Next | None:
        """The next try in the same stage."""
        last = self._failed[-1]
        retries = self._plan.model.retries
        silent = isinstance(last.error, DeadlineExceeded)
        if self._tries[last.deployment] < retries.per_deployment and not silent:
            found = self._again(last.deployment)
            if found is not None:
                return found
        fresh = next((each for each in self._here if each.name not in self._tries), None)
        if fresh is not None:
            return fresh, 0.0
        for each in sorted(self._here, key=lambda each: self._tries[each.name]):
            found = self._again(each.name)
            if found is not None:
                return found
        return None

    def _again(self, name: str) -> Next | None:
        """`name` once more, where that could end otherwise and the wait is neither too long for the model nor for what time is left."""
        error = self._errors[name]
        deployment = next((each for each in self._here if each.name == name), None)
        if deployment is None or not worth_again(error):
            return None
        wait_s = wait_again_s(error, self._tries[name], self._jitter)
        return (deployment, wait_s) if wait_s <= self._plan.model.retries.max_wait_s and wait_s < self._left_s else None

    def _has_room(self, deployment: Deployment) -> bool:
        """Whether it may be larger than every deployment that said that the conversation is too long for it."""
        contexts = {each.name: each.abilities.context_tokens for each in self._plan.deployments}
        context = deployment.abilities.context_tokens
        for failure in self._failed:
            if isinstance(failure.error, ContextTooLong):
                too_small = contexts.get(failure.deployment)
                if failure.deployment == deployment.name:
                    return False
                if context is not None and too_small is not None and context <= too_small:
                    return False
        return True


def _stage_of(plan: Plan, deployment: str) -> int:
    for number, stage in enumerate(plan.stages):
        if any(each.name == deployment for each in plan.deployments[stage.start : stage.end]):
            return number
    return 0
