"""Trying the deployments of a plan until one brings content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import msgspec

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    InvalidRequest,
    NinefoldError,
    NoRuleMatched,
    Partial,
    RateLimited,
    StreamInterrupted,
    Unavailable,
)
from ninefold.domain.money import usd
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.gateway.counts import LOST, SENT, WON, Counts
from ninefold.gateway.hedge import HedgeRefused, race
from ninefold.gateway.held import HeldStream, TooLongToHold
from ninefold.gateway.limits import Limits, attempt_limits, ways_left
from ninefold.gateway.promotion import LOW_SUPPORT, Promoted, lacks_support, stage_behind, stage_of
from ninefold.ports.health_board import HealthBoard
from ninefold.ports.meter import Hold, Meter
from ninefold.ports.recorder import Recorder
from ninefold.ports.router import Failure, Health, Plan, Router
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream, Upstream

# The text in whole events of a stream in the protocol of the call.
TextOf = Callable[[ModelCall, bytes], str]

_LEAST_PATIENCE_S = 0.05


class Task(msgspec.Struct, kw_only=True):
    """What is to be dispatched: `output_cap` is the most output tokens a choice may have, injected where the caller set no cap.

    The rest is how far it has come: attempts `begun` (and `named`, some of which never began), those that `failed` (and the `failures`
    that are told of them), the stage of the plan, what was spent in it, and what there was of an answer that broke off unseen, because
    the model `holds_back` its streams.
    """

    plan: Plan
    call: ModelCall
    hold: Hold
    output_cap: int
    began: float = 0.0
    named: int = 0
    begun: int = 0
    failed: list[Failure] = []
    failures: list[dict[str, str]] = []
    hedged: bool = False
    called_off_nanos: int = 0
    stage: int = 0
    stage_nanos: int = 0
    promotions: list[Promoted] = []
    partial: Partial | None = None
    holds_back: bool = False


class Won(msgspec.Struct, kw_only=True):
    """The attempt that brought content; it is not settled yet. `facts` are members of a JSON object, each with a comma before it: what
    was out of the ordinary on the way."""

    deployment: Deployment
    attempt_id: str
    attempts: int
    got: Whole | Stream
    first_content_s: float = 0.0
    facts: str = ""


class Dispatch:
    """One attempt after the other, and two at once where a hedge is allowed; never another deployment after the caller saw content."""

    def __init__(
        self,
        upstream: Upstream,
        meter: Meter,
        recorder: Recorder,
        router: Router,
        board: HealthBoard,
        jitter: Callable[[], float],
        text_of: TextOf,
    ) -> None:
        self._upstream = upstream
        self._meter = meter
        self._recorder = recorder
        self._router = router
        self._board = board
        self._jitter = jitter
        self._text_of = text_of
        self._limits = Limits()
        self.counts = Counts()

    async def run(self, task: Task) -> Won:
        """The first content, or all of it where the model holds streams back. Every other attempt is settled.

        Raises: the last attempt's error.
        """
        time = asyncio.get_running_loop().time
        task.began = time()
        plan = task.plan
        model, deployment = plan.model, plan.deployments[0]
        task.holds_back = task.call.stream and model.commit == "complete"
        while True:
            try:
                if task.named:
                    won = await self._open(task, deployment, await self._begin_again(task, deployment))
                elif model.hedge is None:
                    won = await self._open(task, deployment, self._begin(task, deployment))
                else:
                    won = await self._hedged(task, deployment)
                if task.holds_back:
                    await self._hold_back(task, won)
            except AttemptFailed as failure:
                onward = self._router.after_failure(plan, task.failed, time() - task.began, self._jitter())
                if onward is None:
                    raise _last_word(task) from failure
                self._note_stage(task, onward[0])
                deployment, wait_s = onward
                self.counts.retries[plan.model.name] += 1
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                continue
            if plan.stages and (better := self._promoted(task, won)) is not None:
                deployment = better
                continue
            won.attempts = task.begun
            if task.failures or task.hedged or task.promotions:
                won.facts = _facts(task)
            return won

    def ended(self, won: Won, outcome: Outcome) -> None:
        """Nothing more comes of the attempt that won. A stream that its deployment cut short speaks against the deployment."""
        self._board.ended(won.deployment.name)
        if outcome is Outcome.CUT_SHORT:
            error = StreamInterrupted("The stream was cut short.")
            self._board.failed(won.deployment.name, error, asyncio.get_running_loop().time())

    # ── one attempt ──

    def _begin(self, task: Task, deployment: Deployment) -> str:
        """The first attempt's intent is on record: the vendor may be asked. Raises: Unavailable, and then the attempt was none."""
        task.named = 1
        attempt_id = f"{task.hold.request.request_id}.1"
        self._meter.begin(task.hold, attempt_id, deployment)
        self._record_intent(task, attempt_id)
        return attempt_id

    async def _begin_again(self, task: Task, deployment: Deployment) -> str:
        """As `_begin`, for a further attempt, whose money has to be held first. Raises: BudgetExceeded, RateLimited, Unavailable."""
        task.named += 1
        attempt_id = f"{task.hold.request.request_id}.{task.named}"
        await self._meter.begin_again(task.hold, attempt_id, deployment)
        self._record_intent(task, attempt_id)
        return attempt_id

    def _record_intent(self, task: Task, attempt_id: str) -> None:
        try:
            self._recorder.commit()
        except NinefoldError:
            self._settle(task, attempt_id, NO_USAGE, Outcome.FAILED)
            raise
        task.begun += 1

    async def _open(self, task: Task, deployment: Deployment, attempt_id: str) -> Won:
        """The attempt's first content. Raises: AttemptFailed, settled and noted in the task."""
        limits = self._limits_of(task, deployment)
        if limits.deadlines.total_s <= 0:
            self._settle(task, attempt_id, NO_USAGE, Outcome.FAILED)
            failure = AttemptFailed(DeadlineExceeded("The total deadline of this model passed."), elsewhere=False)
            raise self._noted(task, deployment, failure)
        time, board = asyncio.get_running_loop().time, self._board
        sent_at = time()
        board.started(deployment.name, sent_at)
        try:
            got = await self._upstream.open(deployment, task.call, limits)
        except AttemptFailed as failure:
            board.ended(deployment.name)
            self._settle(task, attempt_id, failure.usage, Outcome.FAILED)
            if failure.other_key:
                pass  # of the deployment its other key will tell
            elif failure.elsewhere:
                board.failed(deployment.name, failure.error, time())
            else:
                board.succeeded(deployment.name, time())  # it is well enough to find fault with the request
            raise self._noted(task, deployment, failure) from failure.error
        except BaseException:
            board.ended(deployment.name)
            # The caller has gone, or another attempt won, or we are broken: the vendor may bill the input it was sent.
            sent = Usage(input_tokens=(len(task.call.body) + 3) // 4, estimated=True)
            task.called_off_nanos += self._settle(task, attempt_id, sent, Outcome.CANCELLED).cost_nanos
            raise
        now = time()
        if not task.holds_back:
            board.succeeded(deployment.name, now, now - sent_at, whole=not task.call.stream)
        return Won(deployment=deployment, attempt_id=attempt_id, attempts=0, got=got, first_content_s=now - sent_at)

    def _limits_of(self, task: Task, deployment: Deployment) -> AttemptLimits:
        model, call, among = task.plan.model, task.call, len(task.plan.deployments)
        if task.begun == 1:
            return self._limits.first(model, deployment, among, stream=call.stream, output_cap=task.output_cap)
        ways = ways_left(model, among, task.begun)
        elapsed_s = asyncio.get_running_loop().time() - task.began
        return attempt_limits(model, deployment, ways, stream=call.stream, output_cap=task.output_cap, elapsed_s=elapsed_s)

    def _settle(self, task: Task, attempt_id: str, usage: Usage, outcome: Outcome) -> CostLine:
        line = self._meter.settle(task.hold, attempt_id, usage, outcome)
        task.stage_nanos += line.cost_nanos
        return line

    def _noted(self, task: Task, deployment: Deployment, failure: AttemptFailed) -> AttemptFailed:
        name, error = deployment.name, failure.error
        self.counts.failed[name, error.code] += 1
        task.failures.append({"deployment": name, "error": error.code})
        task.failed.append(Failure(deployment=name, error=error, elsewhere=failure.elsewhere, other_key=failure.other_key))
        return failure

    # ── held back ──

    async def _hold_back(self, task: Task, won: Won) -> None:
        """All of the answer is there. Raises: AttemptFailed where it broke off, settled and noted: the caller has seen nothing of it."""
        if isinstance(won.got, Whole):
            return
        stream, name = won.got, won.deployment.name
        held = HeldStream(stream)
        time = asyncio.get_running_loop().time
        try:
            await held.fill()
        except NinefoldError as error:
            self._board.ended(name)
            elsewhere = not isinstance(error, InvalidRequest | TooLongToHold)
            line = self._settle(task, won.attempt_id, stream.usage, Outcome.CUT_SHORT)
            task.partial = Partial(usage=line.usage, text=self._text_of(task.call, held.so_far))
            if elsewhere:
                self._board.failed(name, error, time())
            else:
                self._board.succeeded(name, time())
            raise self._noted(task, won.deployment, AttemptFailed(error, usage=line.usage, elsewhere=elsewhere)) from error
        except BaseException:
            held.abort()
            self._board.ended(name)
            self._settle(task, won.attempt_id, stream.usage, Outcome.CANCELLED)
            raise
        self._board.succeeded(name, time(), won.first_content_s)
        won.got = held

    # ── hedges ──

    async def _hedged(self, task: Task, deployment: Deployment) -> Won:
        """The first attempt, with a second one elsewhere where it is late."""
        after_s = self._patience_s(task, deployment)
        first = self._open(task, deployment, self._begin(task, deployment))
        if after_s is None:
            return await first

        def second() -> Coroutine[None, None, Won] | None:
            return self._second(task, deployment)

        def drop(lost: Won) -> None:
            self._drop(task, lost)

        won = await race(first, after_s, second, drop)
        if task.hedged:
            self.counts.raced(task.plan.model.name, LOST if won.deployment is deployment else WON, task.called_off_nanos)
        return won

    def _patience_s(self, task: Task, deployment: Deployment) -> float | None:
        """How long the first attempt may take before a second one begins, None where there is to be none."""
        plan, hedge = task.plan, task.plan.model.hedge
        # A vendor's own endpoint may do anything, and is asked for it once.
        if hedge is None or len(plan.deployments) < 2 or plan.model.max_attempts < 2 or task.call.operation is Operation.PASSTHROUGH:
            return None
        if hedge.after_s is not None:
            return hedge.after_s
        health = self._board.health(asyncio.get_running_loop().time())
        usual_s = (health.p95_s if task.call.stream else health.whole_p95_s).get(deployment.name)
        return None if usual_s is None else max(usual_s, _LEAST_PATIENCE_S)

    def _second(self, task: Task, first: Deployment) -> Coroutine[None, None, Won] | None:
        """An attempt beside the late one, None where none is allowed."""
        plan = task.plan
        now = asyncio.get_running_loop().time()
        health = self._board.health(now)
        among = plan.deployments[plan.stages[0].start : plan.stages[0].end] if plan.stages else plan.deployments
        other = next((each for each in among if each.name != first.name and _is_idle(each, health)), None)
        if other is None or not self._router.may_hedge(plan, now):
            return None
        return self._hedge(task, other)

    async def _hedge(self, task: Task, other: Deployment) -> Won:
        try:
            attempt_id = await self._begin_again(task, other)
        except (BudgetExceeded, RateLimited, Unavailable) as error:
            raise HedgeRefused from error
        task.hedged = True
        self.counts.hedges[task.plan.model.name, SENT] += 1
        return await self._open(task, other, attempt_id)

    def _drop(self, task: Task, lost: Won) -> None:
        """An attempt that brought content when another had won already: it is stopped, and paid for."""
        if not isinstance(lost.got, Whole):
            lost.got.abort()
        self._board.ended(lost.deployment.name)
        task.called_off_nanos += self._settle(task, lost.attempt_id, lost.got.usage, Outcome.CANCELLED).cost_nanos

    # ── promotion ──

    def _promoted(self, task: Task, won: Won) -> Deployment | None:
        """Where to go on with an answer that its deployment does not stand behind; that answer is settled then."""
        plan, got = task.plan, won.got
        if not isinstance(got, Whole) or not lacks_support(plan.stages[task.stage], got):
            return None
        behind = stage_behind(plan, task.stage)
        if behind is None:
            return None
        self._board.ended(won.deployment.name)
        self._settle(task, won.attempt_id, got.usage, Outcome.COMPLETED)
        error = Unavailable(f"The answer of {won.deployment.name} had too little support.")
        task.failed.append(Failure(deployment=won.deployment.name, error=error, elsewhere=True))
        self._promote(task, behind, LOW_SUPPORT)
        return plan.deployments[plan.stages[behind].start]

    def _note_stage(self, task: Task, onward: Deployment) -> None:
        """The router went on with `onward`, perhaps in another stage."""
        plan = task.plan
        if not plan.stages:
            return
        stage = stage_of(plan, onward, task.stage)
        if stage != task.stage:
            self._promote(task, stage, "no_rule_matched" if isinstance(task.failed[-1].error, NoRuleMatched) else "failures")

    def _promote(self, task: Task, stage: int, why: str) -> None:
        source, to = task.plan.stages[task.stage].task_class, task.plan.stages[stage].task_class
        self.counts.promoted(source, to, why, task.stage_nanos)
        task.promotions.append(Promoted(source=source, to=to, why=why, cost_nanos=task.stage_nanos))
        task.stage, task.stage_nanos = stage, 0


def _is_idle(deployment: Deployment, health: Health) -> bool:
    """Whether it may be given work that another does already."""
    most = deployment.max_in_flight
    return deployment.name not in health.open and (most is None or health.in_flight.get(deployment.name, 0) < most)


def _facts(task: Task) -> str:
    """Members of a JSON object: what failed and why; that there was a hedge and what the attempt cost that it or the first one lost; the
    promotions."""
    members = ""
    if task.failures:
        members += ',"failures":' + msgspec.json.encode(task.failures).decode()
    if task.hedged:
        members += f',"hedged":true,"hedge_cost_usd":{usd(task.called_off_nanos)}'
    if task.promotions:
        members += ',"promotions":' + msgspec.json.encode([each.fact() for each in task.promotions]).decode()
    return members


def _last_word(task: Task) -> NinefoldError:
    """What the caller is told when every attempt came to nothing: the last error; a vendor's rate limit is our unavailability."""
    failed = task.failed
    last = failed[-1].error
    tried = f" ({len(failed)} attempts: {', '.join(failure.deployment for failure in failed)})" if len(failed) > 1 else ""
    if isinstance(last, RateLimited):
        said = Unavailable(f"The deployments of this model are at their vendors' rate limits.{tried}", retry_after_s=last.retry_after_s)
    elif isinstance(last, StreamInterrupted):
        said = StreamInterrupted(f"{last.detail}{tried}", retry_after_s=last.retry_after_s)
    elif isinstance(last, Unavailable):
        said = Unavailable(f"{last.detail}{tried}", retry_after_s=last.retry_after_s)
    elif isinstance(last, DeadlineExceeded):
        said = DeadlineExceeded(f"{last.detail}{tried}", retry_after_s=last.retry_after_s)
    else:
        return last
    said.partial = task.partial
    return said
