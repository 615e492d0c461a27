"""Where to go after an attempt that came to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ninefold.domain.errors import TooLarge, Unsupported
from ninefold.domain.snapshot import Deployment
from ninefold.ports.router import Failure, Plan
from ninefold.routing.retry import after_failure


def onward(plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> tuple[Deployment, float] | None:
    """The next deployment and the wait before it: first those not tried yet, at once; then the tried ones again,
    the least often tried first, with back-off.

    What a deployment cannot express another may: such a failure never tries the same one again.
    """
    last = failed[-1]
    if not last.elsewhere:
        return None
    attempts = len(failed)
    tried = {failure.deployment for failure in failed}
    total_s = plan.model.timeouts.total_s
    fresh = next((each for each in plan.deployments if each.name not in tried), None)
    if fresh is not None:
        if isinstance(last.error, Unsupported | TooLarge):
            return (fresh, 0.0) if attempts < plan.model.max_attempts else None
        wait_s = after_failure(last.error, attempts, plan.model.max_attempts, elapsed_s, total_s, jitter)
        return None if wait_s is None else (fresh, wait_s)
    by_name = {failure.deployment: failure.error for failure in failed}
    times = Counter(failure.deployment for failure in failed)
    for each in sorted(plan.deployments, key=lambda each: times[each.name]):
        error = by_name[each.name]
        wait_s = after_failure(error, attempts, plan.model.max_attempts, elapsed_s, total_s, jitter, same_deployment=True)
        if wait_s is not None:
            return each, wait_s
    return None
