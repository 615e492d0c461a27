"""A dispatch over the real router, meter and board, with deployments that do as a test says."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import msgspec

from ninefold.adapters.memory.journal import MemoryJournal
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import NinefoldError
from ninefold.domain.money import Price
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Deployment, Model, Retries, Snapshot, Tenant, Timeouts
from ninefold.domain.usage import Usage
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.recorder import JournalRecorder
from ninefold.finops.records import Intended, Settled, record_decoder
from ninefold.gateway.dispatch import Dispatch, Task, Won
from ninefold.ports.meter import HoldRequest
from ninefold.ports.router import Health, Plan, Stage
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream
from ninefold.routing.board import BreakerBoard
from ninefold.routing.plan import StrategyRouter
from ninefold.wire.text_so_far import text_so_far

PRICE = Price(version="v", input_per_million=10**9, output_per_million=2 * 10**9, cached_input_per_million=0, cache_write_per_million=0)
TENANT = Tenant(name="acme", models=("m",))
FULL = Usage(input_tokens=10, output_tokens=3)


def chunk(text: str) -> bytes:
    return b"data: " + msgspec.json.encode({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


class ScriptedStream:
    """Three words, or fewer before `error`; `pace_s` between them."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._sent = 0
        self.aborted = False
        self.tail = Splice(before=b"{", after=b"}")
        self.tool_calls = ()

    @property
    def usage(self) -> Usage:
        if self._sent == len(self._act.words):
            return FULL
        return Usage(input_tokens=10, output_tokens=self._sent, estimated=True)

    async def next(self) -> bytes | None:
        if self._sent:
            await asyncio.sleep(self._act.pace_s)
        if self._sent == self._act.breaks_at and self._act.breaks_with is not None:
            raise self._act.breaks_with
        if self._sent == len(self._act.words):
            return None
        self._sent += 1
        return chunk(self._act.words[self._sent - 1])

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Act:
    """What one attempt meets: `fails` after `after_s`, or answers; a stream breaks off with `breaks_with` after `breaks_at` words."""

    after_s: float = 0.0
    fails: AttemptFailed | None = None
    support: float | None = None
    words: tuple[str, ...] = ("one ", "two ", "three")
    pace_s: float = 0.0
    breaks_at: int = -1
    breaks_with: NinefoldError | None = None


@dataclass
class Opening:
    deployment: str
    at: float
    limits: AttemptLimits
    cancelled: bool = False
    stream: ScriptedStream | None = None


@dataclass
class ScriptedUpstream:
    acts: dict[str, list[Act]] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        before = sum(each.deployment == deployment.name for each in self.openings)
        opening = Opening(deployment.name, time.monotonic(), limits)
        self.openings.append(opening)
        acts = self.acts.get(deployment.name, [Act()])
        act = acts[min(before, len(acts) - 1)]
        try:
            await asyncio.sleep(act.after_s)
        except asyncio.CancelledError:
            opening.cancelled = True
            raise
        if act.fails is not None:
            raise act.fails
        if call.stream:
            opening.stream = ScriptedStream(act)
            return opening.stream
        return Whole(body=Splice(before=b"{", after=b"}", comma=False), usage=FULL, support=act.support)


def deployment(name: str) -> Deployment:
    return Deployment(name=name, provider="openai", base_url="http://h", model="v-" + name, price=PRICE)


def model(*names: str, **more) -> Model:
    timeouts = more.pop("timeouts", Timeouts(total_s=5.0))
    retries = more.pop("retries", Retries(budget_ratio=1.0, budget_floor=1000))
    return Model(name="m", strategy="priority", deployments=names, timeouts=timeouts, retries=retries, **more)


class Scene:
    """One worker; `run` dispatches one call of `asked`."""

    def __init__(self, asked: Model, acts: dict[str, list[Act]] | None = None, stages: tuple[Stage, ...] = ()) -> None:
        self.model = asked
        self.upstream = ScriptedUpstream(acts or {})
        self.journal = MemoryJournal()
        self.board = BreakerBoard("w", time.monotonic)
        self.router = StrategyRouter(time.monotonic)
        self.deployments = tuple(deployment(name) for name in asked.deployments)
        self.stages = stages
        self.tenant = TENANT
        self.task: Task
        self._count = 0

    async def prepare(self) -> None:
        opened = await MemoryLeaseStore(clock=time.time).open_worker("w")
        self.meter = LeasedMeter(
            self.journal, MemoryLeaseStore(clock=time.time), opened, opened_at=time.monotonic(), monotonic=time.monotonic, wall=time.time
        )
        self.dispatch = Dispatch(
            self.upstream, self.meter, JournalRecorder(self.journal), self.router, self.board, lambda: 0.0, text_so_far
        )
        self.snapshot = Snapshot(
            version=1, digest="", compiled_at=0.0, policy_version="p", deployments=self.deployments, models=(self.model,), tenants=(TENANT,)
        )
        self.board.use(self.snapshot)

    def plan(self, call: ModelCall) -> Plan:
        if self.stages:
            return Plan(
                model=self.model, deployments=self.deployments, strategy="priority", task_class=self.stages[0].task_class, reason="",
                stages=self.stages,
            )  # fmt: skip
        return self.router.plan(self.snapshot, TENANT, call, self.health(), 0.0)

    def health(self) -> Health:
        return self.board.health(time.monotonic())

    async def run(self, *, stream: bool = False) -> Won:
        if not self._count:
            await self.prepare()
        self._count += 1
        call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b"x" * 40, stream=stream)
        plan = self.plan(call)
        request = HoldRequest(
            request_id=f"r{self._count}", trace_id="t", decision_id="d", principal=Principal(tenant="acme", key_id="k", key_name="ci"),
            tenant=self.tenant, model="m", operation="chat", attribution=(), deployments=plan.deployments, input_tokens_bound=40,
            output_tokens_bound=100, now=time.time(),
        )  # fmt: skip
        hold = self.meter.try_hold(request) or await self.meter.hold(request)
        self.task = Task(plan=plan, call=call, hold=hold, output_cap=100)
        return await self.dispatch.run(self.task)

    @property
    def asked(self) -> list[str]:
        return [each.deployment for each in self.upstream.openings]

    def records(self) -> list[object]:
        self.journal.commit()
        return [record_decoder().decode(payload) for payload in self.journal.committed]

    def intents(self) -> list[tuple[str, str]]:
        return [(each.attempt_id, each.deployment) for each in self.records() if isinstance(each, Intended)]

    def settled(self) -> dict[str, tuple[str, int, int]]:
        """(outcome, input tokens, output tokens) by attempt."""
        return {
            each.attempt_id: (each.outcome, each.input_tokens, each.output_tokens) for each in self.records() if isinstance(each, Settled)
        }


async def texts(won: Won) -> str:
    """The text of a stream, to its end."""
    assert not isinstance(won.got, Whole)
    found = b""
    while (data := await won.got.next()) is not None:
        found += data
    return text_so_far(ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b""), found)
