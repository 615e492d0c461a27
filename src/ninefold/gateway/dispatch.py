"""Trying the deployments of a plan until one brings content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.cost import Outcome
from ninefold.domain.errors import DeadlineExceeded, NinefoldError, RateLimited, Unavailable
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.ports.health_board import HealthBoard
from ninefold.ports.http_client import Deadlines
from ninefold.ports.meter import Hold, Meter
from ninefold.ports.recorder import Recorder
from ninefold.ports.router import Failure, Plan, Router
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream, Upstream

_FIRST_LIMITS = 1_000


class Task(msgspec.Struct, kw_only=True):
    """What is to be dispatched: `output_cap` is the most output tokens a choice may have, injected where the caller set no cap."""

    plan: Plan
    call: ModelCall
    hold: Hold
    output_cap: int


class Won(msgspec.Struct, kw_only=True):
    """The attempt that brought content; it is not settled yet."""

    deployment: Deployment
    attempt_id: str
    attempts: int
    got: Whole | Stream


class Dispatch:
    """One attempt after the other; never another deployment after the first content."""

    def __init__(
        self, upstream: Upstream, meter: Meter, recorder: Recorder, router: Router, board: HealthBoard, jitter: Callable[[], float]
    ) -> None:
        self._upstream = upstream
        self._meter = meter
        self._recorder = recorder
        self._router = router
        self._board = board
        self._jitter = jitter
        self._first: dict[tuple[int, bool, int], tuple[Plan, AttemptLimits]] = {}

    async def run(self, task: Task) -> Won:
        """The first content. Every attempt that came to nothing is settled. Raises: the last attempt's error."""
        time = asyncio.get_running_loop().time
        began = time()
        failed: list[Failure] = []
        deployment = task.plan.deployments[0]
        while True:
            attempt_id = f"{task.hold.request.request_id}.{len(failed) + 1}"
            if failed:
                await self._meter.begin_again(task.hold, attempt_id, deployment)
            else:
                self._meter.begin(task.hold, attempt_id, deployment)
            self._record_intent(task, attempt_id)
            try:
                got = await self._attempt(
                    task, deployment, attempt_id, self._limits(task, deployment, len(failed), time() - began if failed else 0.0)
                )
            except AttemptFailed as failure:
                failed.append(
                    Failure(deployment=deployment.name, error=failure.error, elsewhere=failure.elsewhere, other_key=failure.other_key)
                )
                onward = self._router.after_failure(task.plan, failed, time() - began, self._jitter())
                if onward is None:
                    raise _last_word(failed) from failure
                deployment, wait_s = onward
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                continue
            return Won(deployment=deployment, attempt_id=attempt_id, attempts=len(failed) + 1, got=got)

    def _limits(self, task: Task, deployment: Deployment, failures: int, elapsed_s: float) -> AttemptLimits:
        """Those of a first attempt are the same for every request of a plan: they are worked out once."""
        if failures:
            return _limits(task, deployment, failures, elapsed_s)
        key = (id(task.plan), task.call.stream, task.output_cap)
        known = self._first.get(key)
        if known is not None and known[0] is task.plan:
            return known[1]
        if len(self._first) >= _FIRST_LIMITS:
            self._first.clear()
        limits = _limits(task, deployment, 0, 0.0)
        self._first[key] = (task.plan, limits)
        return limits

    def _record_intent(self, task: Task, attempt_id: str) -> None:
        """The intent is on record: the vendor may be asked. Raises: Unavailable, and then the attempt was none."""
        try:
            self._recorder.commit()
        except NinefoldError:
            self._meter.settle(task.hold, attempt_id, NO_USAGE, Outcome.FAILED)
            raise

    async def _attempt(self, task: Task, deployment: Deployment, attempt_id: str, limits: AttemptLimits) -> Whole | Stream:
        time = asyncio.get_running_loop().time
        if limits.deadlines.total_s <= 0:
            self._meter.settle(task.hold, attempt_id, NO_USAGE, Outcome.FAILED)
            raise AttemptFailed(DeadlineExceeded("The total deadline of this model passed."), elsewhere=False)
        sent_at = time()
        self._board.started(deployment.name, sent_at)
        try:
            got = await self._upstream.open(deployment, task.call, limits)
        except AttemptFailed as failure:
            self._board.ended(deployment.name)
            self._meter.settle(task.hold, attempt_id, failure.usage, Outcome.FAILED)
            if failure.elsewhere:
                self._board.failed(deployment.name, failure.error, time())
            else:
                self._board.succeeded(deployment.name, time())  # it is well enough to find fault with the request
            raise
        except BaseException:
            self._board.ended(deployment.name)
            # The caller has gone, or we are broken: the vendor may bill the input it was sent.
            sent = Usage(input_tokens=(len(task.call.body) + 3) // 4, estimated=True)
            self._meter.settle(task.hold, attempt_id, sent, Outcome.CANCELLED)
            raise
        now = time()
        self._board.succeeded(deployment.name, now, now - sent_at, whole=not task.call.stream)
        return got


def _limits(task: Task, deployment: Deployment, failures: int, elapsed_s: float) -> AttemptLimits:
    timeouts = task.plan.model.timeouts
    left_s = timeouts.total_s - elapsed_s
    if task.call.stream:
        first_s = timeouts.first_token_s
    else:
        # A whole answer shows nothing before all of it is there, so its first byte may take long; but a silent deployment must leave
        # time for the others: each gets an equal share of what is left.
        others = min(task.plan.model.max_attempts, len(task.plan.deployments)) - failures
        first_s = max(timeouts.first_token_s, left_s / max(others, 1))
    deadlines = Deadlines(
        connect_s=min(timeouts.connect_s, left_s),
        first_byte_s=min(first_s, left_s),
        idle_s=min(timeouts.idle_s, left_s),
        total_s=left_s,
    )
    return AttemptLimits(deadlines=deadlines, max_output_tokens=min(deployment.max_output_tokens, task.output_cap))


def _last_word(failed: list[Failure]) -> NinefoldError:
    """What the caller is told when every attempt came to nothing: the last error; a vendor's rate limit is our unavailability."""
    last = failed[-1].error
    tried = f" ({len(failed)} attempts: {', '.join(failure.deployment for failure in failed)})" if len(failed) > 1 else ""
    if isinstance(last, RateLimited):
        return Unavailable(f"The deployments of this model are at their vendors' rate limits.{tried}", retry_after_s=last.retry_after_s)
    if isinstance(last, Unavailable):
        return Unavailable(f"{last.detail}{tried}", retry_after_s=last.retry_after_s)
    if isinstance(last, DeadlineExceeded):
        return DeadlineExceeded(f"{last.detail}{tried}", retry_after_s=last.retry_after_s)
    return last
