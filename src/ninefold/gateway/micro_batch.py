"""Small embedding requests that come within a few milliseconds of each other, sent as one and paid each by its own."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import Operation, Wire
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.decision import Decision
from ninefold.domain.errors import InvalidRequest, NinefoldError, UpstreamRejected
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage
from ninefold.gateway.dispatch import Task, Won
from ninefold.gateway.parts import Asked, Parts
from ninefold.gateway.telling import Teller, Told
from ninefold.ports.meter import Hold, HoldRequest
from ninefold.ports.router import Plan
from ninefold.wire.openai.embeddings.joined import Separate, joined, separate, split

MAX_TEXTS = 64
_SMALL_TEXTS = 16
_SMALL_BYTES = 32 * 1024
_TOKEN_NANOS = 1_000_000  # a price per million tokens that is a multiple of this has no fractions to share out


class Part(msgspec.Struct, kw_only=True):
    """One request's share of a batch, paid: who answered, the answer, its cost line and the batch's attempts."""

    deployment: Deployment
    whole: Whole
    line: CostLine
    attempts: int


class Member:
    """One request that waits for its batch. `share` is None in the end where the request has to go alone."""

    __slots__ = ("asked", "decision", "hold", "plan", "request", "separate", "share")

    def __init__(self, asked: Asked, decision: Decision, plan: Plan, request: HoldRequest, wanted: Separate) -> None:
        self.asked = asked
        self.decision = decision
        self.plan = plan
        self.request = request
        self.separate = wanted
        self.hold: Hold | None = None
        self.share: asyncio.Future[Part | None] = asyncio.get_running_loop().create_future()

    @property
    def here(self) -> bool:
        """Whether anybody still waits for it."""
        return not self.share.done()

    def told(self, deployment: Deployment, attempts: int, first_s: float) -> Told:
        """What goes on record of its answer."""
        return Told(
            asked=self.asked,
            decision=self.decision,
            plan=self.plan,
            deployment=deployment.name,
            attempts=attempts,
            first_s=first_s,
            facts=',"batched":true',
        )


class _Batch:
    __slots__ = ("members", "task", "texts", "timer")

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.texts = 0
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None


class MicroBatches:
    """Gathers requests of one shape and one tenant, for at most `Model.micro_batch_ms` or up to 64 texts.

    The first one of a batch holds the worst case of all of it, each of the others its own; the bill is shared out by the length of the
    texts, to the last token. A batch that a deployment finds fault with is taken apart: its members go alone, and only the one at fault
    is refused.
    """

    def __init__(self, parts: Parts, teller: Teller) -> None:
        self._parts = parts
        self._teller = teller
        self._open: dict[tuple[str, bytes, int], _Batch] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def share(self, asked: Asked, decision: Decision, plan: Plan, request: HoldRequest, shape: bytes) -> tuple[Member, Part] | None:
        """The request's share of a batch, None where it has to go alone. Raises: the error of the batch."""
        wanted = _small(asked, plan)
        if wanted is None:
            return None
        member = Member(asked, decision, plan, request, wanted)
        batch = self._joined(member, (request.tenant.name, shape + wanted.shape, id(plan)))
        try:
            part = await member.share
        except BaseException:
            if batch.task is None:
                batch.members.remove(member)
            elif not any(each.here for each in batch.members):
                batch.task.cancel()
            raise
        return None if part is None else (member, part)

    def _joined(self, member: Member, key: tuple[str, bytes, int]) -> _Batch:
        batch = self._open.get(key)
        if batch is None:
            batch = self._open[key] = _Batch()
            delay_s = member.plan.model.micro_batch_ms / 1000
            batch.timer = asyncio.get_running_loop().call_later(delay_s, self._close, key, batch)
        batch.members.append(member)
        batch.texts += len(member.separate.texts)
        if batch.texts >= MAX_TEXTS:
            self._close(key, batch)
        return batch

    def _close(self, key: tuple[str, bytes, int], batch: _Batch) -> None:
        if batch.timer is not None:
            batch.timer.cancel()
        if self._open.get(key) is batch:
            del self._open[key]
        if batch.task is None:
            batch.task = asyncio.create_task(self._run(batch))
            self._running.add(batch.task)
            batch.task.add_done_callback(self._running.discard)

    async def _run(self, batch: _Batch) -> None:
        """Every member has its share, an error, or goes alone."""
        members = [member for member in batch.members if member.here]
        try:
            members = self._held(members)
            if len(members) > 1:
                await self._send(members)
        except InvalidRequest:
            pass  # one of them is at fault, and nobody knows which
        except Exception as error:  # noqa: BLE001 - the boundary of this task: every member raises it in its own
            for member in members:
                if member.here:
                    member.share.set_exception(copy.copy(error) if isinstance(error, NinefoldError) else error)
        finally:
            for member in batch.members:
                if member.here:
                    member.share.set_result(None)
            for member in batch.members:
                if member.hold is not None:
                    self._parts.meter.close(member.hold)

    def _held(self, members: list[Member]) -> list[Member]:
        """Those that have what they need at once: whoever has to wait for money goes alone."""
        meter = self._parts.meter
        if len(members) < 2:
            return []
        first = members[0]
        bound = sum(member.request.input_tokens_bound for member in members)
        # An id of its own, for its attempts must not be taken for those of a member that goes alone in the end.
        whole = msgspec.structs.replace(first.request, request_id=f"{first.request.request_id}.all", input_tokens_bound=bound)
        first.hold = meter.try_hold(whole)
        if first.hold is None:
            return []
        rest: list[Member] = []
        for member in members[1:]:
            member.hold = meter.try_hold(member.request)
            if member.hold is not None:
                rest.append(member)
        return [first, *rest]

    async def _send(self, members: list[Member]) -> None:
        first, hold = members[0], members[0].hold
        assert hold is not None
        body = joined([member.separate for member in members])
        call = copy.copy(first.asked.call)
        call.body, call.input_tokens_bound = body, hold.request.input_tokens_bound
        won = await self._parts.dispatch.run(Task(plan=first.plan, call=call, hold=hold, output_cap=0))
        self._parts.board.ended(won.deployment.name)
        used = won.got.usage
        shares = shared_out(used, [member.separate.weight for member in members])
        try:
            answers = _taken_apart(won, members, shares)
        except NinefoldError:
            self._parts.meter.settle(hold, won.attempt_id, used, Outcome.FAILED)
            raise
        self._settle(members, won, shares, answers)

    def _settle(self, members: list[Member], won: Won, shares: list[Usage], answers: list[Splice]) -> None:
        meter, deployment = self._parts.meter, won.deployment
        now = self._parts.monotonic()
        paid: list[tuple[Member, Part]] = []
        for member, usage, answer in zip(members, shares, answers, strict=True):
            hold, attempt_id = member.hold, won.attempt_id
            assert hold is not None
            if member is not members[0]:
                attempt_id = f"{member.request.request_id}.1"
                meter.begin(hold, attempt_id, deployment)
            outcome = Outcome.COMPLETED if member.here else Outcome.CANCELLED
            line = meter.settle(hold, attempt_id, usage, outcome)
            meter.close(hold)
            if not member.here:
                self._teller.tell(member.told(deployment, won.attempts, now - member.asked.began), line, "client_closed", ())
            paid.append((member, Part(deployment=deployment, whole=Whole(body=answer, usage=usage), line=line, attempts=won.attempts)))
        self._parts.recorder.commit()
        for member, part in paid:
            if member.here:
                member.share.set_result(part)


def shared_out(usage: Usage, weights: Sequence[int]) -> list[Usage]:
    """`usage` in parts in proportion to `weights`; every count is the sum of its parts, the largest remainders rounded up."""
    return [
        Usage(input_tokens=tokens, cached_input_tokens=cached, cache_write_tokens=written, estimated=usage.estimated)
        for tokens, cached, written in zip(
            _apportioned(usage.input_tokens, weights),
            _apportioned(usage.cached_input_tokens, weights),
            _apportioned(usage.cache_write_tokens, weights),
            strict=True,
        )
    ]


def _apportioned(total: int, weights: Sequence[int]) -> list[int]:
    """Source: the largest-remainder method of Hare and Hamilton; of equal remainders the first gets the odd one."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    behind = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in behind[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _small(asked: Asked, plan: Plan) -> Separate | None:
    """What the request wants, where it is small enough to wait for others and its price can be shared out exactly."""
    call = asked.call
    if call.operation is not Operation.EMBEDDINGS or call.wire is not Wire.OPENAI or len(call.body) > _SMALL_BYTES:
        return None
    for price in (each.price for each in plan.deployments):
        if price is not None and (
            price.tiers
            or any(rate % _TOKEN_NANOS for rate in (price.input_per_million, price.cached_input_per_million, price.cache_write_per_million))
        ):
            return None
    found = separate(call.body)
    return found if found is not None and len(found.texts) <= _SMALL_TEXTS else None


def _taken_apart(won: Won, members: list[Member], shares: list[Usage]) -> list[Splice]:
    got = won.got
    if not isinstance(got, Whole) or got.status >= 300:
        raise UpstreamRejected("The upstream did not answer with a list of embeddings.")
    return split(got.body.plain(), [len(member.separate.texts) for member in members], [usage.input_tokens for usage in shares])
