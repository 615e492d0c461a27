"""One worker's gateway in process, over the real planes and a vendor that does as a test says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from ninefold.adapters.jsonschema_rs.verdict import verdict
from ninefold.adapters.memory.answers import MemoryAnswerStore
from ninefold.adapters.memory.journal import MemoryJournal
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.money import Price
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Deployment, Model, Snapshot, Tenant
from ninefold.domain.usage import Usage
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.recorder import JournalRecorder
from ninefold.finops.records import Answered, Closed, Held, Intended, Refused, Settled, record_decoder
from ninefold.gateway.complete import Gateway
from ninefold.gateway.dispatch import Dispatch
from ninefold.gateway.parts import Asked, Parts
from ninefold.policy.decide import AllowListPolicy
from ninefold.ports.recorder import RequestFacts
from ninefold.ports.upstream import AttemptLimits, Stream
from ninefold.routing.board import BreakerBoard
from ninefold.routing.plan import StrategyRouter
from ninefold.wire.text_so_far import text_so_far

PRICE = Price(version="v", input_per_million=10**9, output_per_million=2 * 10**9, cached_input_per_million=0, cache_write_per_million=0)
DEAR = Price(version="w", input_per_million=9 * 10**9, output_per_million=9 * 10**9, cached_input_per_million=0, cache_write_per_million=0)
USED = Usage(input_tokens=10, output_tokens=3)

Open = Callable[[Deployment, ModelCall, AttemptLimits], Awaitable[Whole | Stream]]


def whole(text: str = "hello", usage: Usage = USED) -> Whole:
    body = msgspec.json.encode({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage)


@dataclass
class Words:
    """A `Stream` of some words; `before` is awaited before each but the first."""

    words: list[bytes]
    before: Callable[[], Awaitable[None]] | None = None
    sent: int = 0
    aborted: bool = False
    tail: Splice = field(default_factory=lambda: Splice(before=b'data: {"end":1', after=b"}\n\n"))
    tool_calls: tuple = ()

    @property
    def usage(self) -> Usage:
        return Usage(input_tokens=10, output_tokens=self.sent)

    async def next(self) -> bytes | None:
        if self.sent and self.before is not None:
            await self.before()
        if self.sent == len(self.words):
            return None
        self.sent += 1
        return self.words[self.sent - 1]

    def abort(self) -> None:
        self.aborted = True


class Vendor:
    """An `Upstream`: `answers` does what a test says, else there is an answer at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: Open | None = None

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        self.asked.append(deployment.name)
        if self.answers is not None:
            return await self.answers(deployment, call, limits)
        return Words([b"data: 1\n\n", b"data: 2\n\n"]) if call.stream else whole()


def deployment(name: str, **more) -> Deployment:
    return Deployment(name=name, provider="openai", base_url="http://h", model="v-" + name, **({"price": PRICE} | more))


def model(*names: str, **more) -> Model:
    return Model(**({"name": "m", "strategy": "priority", "deployments": names} | more))


def snapshot(*models: Model, deployments: tuple[Deployment, ...] = (), **more) -> Snapshot:
    named = deployments or tuple(deployment(name) for name in dict.fromkeys(name for each in models for name in each.deployments))
    tenants = more.pop("tenants", (Tenant(name="acme", models=("*",)),))
    return Snapshot(
        **({"version": 1, "digest": "", "compiled_at": 0.0, "policy_version": "p"} | more),
        deployments=named, models=models, tenants=tenants,
    )  # fmt: skip


class Worker:
    """Made inside the loop that it runs in; its clock is that of the loop."""

    def __init__(self, first: Snapshot, *, answers=None, name: str = "w") -> None:
        self.vendor, self.journal, self.snapshot, self.name = Vendor(), MemoryJournal(), first, name
        self.answers = MemoryAnswerStore() if answers is None else answers
        self.count = 0

    async def begin(self) -> Worker:
        time = asyncio.get_running_loop().time
        self.store = MemoryLeaseStore(clock=time)
        opened = await self.store.open_worker(self.name)
        self.meter = LeasedMeter(self.journal, self.store, opened, opened_at=time(), monotonic=time, wall=time)
        self.board, self.router = BreakerBoard(self.name, time), StrategyRouter(time)
        recorder = JournalRecorder(self.journal)
        self.parts = Parts(
            policy=AllowListPolicy(),
            router=self.router,
            meter=self.meter,
            recorder=recorder,
            board=self.board,
            dispatch=Dispatch(self.vendor, self.meter, recorder, self.router, self.board, lambda: 0.5, text_so_far),
            answers=self.answers,
            holder=opened.holder,
            wall=time,
            monotonic=time,
            draw=random.Random(7).random,
            offered=lambda _: {},
            verdict=verdict,
        )
        self.gateway = Gateway(self.parts, self.snapshot)
        return self

    def asked(self, *, key_id: str = "k", tenant: str = "acme", surface: str = "openai.chat", **more) -> Asked:
        self.count += 1
        given = {"operation": Operation.CHAT, "wire": Wire.OPENAI, "model": "m", "body": b'{"messages":[]}', "input_tokens_bound": 20}
        call = ModelCall(**(given | {"max_output_tokens": 10} | more))
        now = asyncio.get_running_loop().time()
        facts = RequestFacts(
            request_id=f"{self.name}{self.count}", trace_id=f"t{self.count}", tenant=tenant, key_id=key_id, model=call.model,
            surface=surface, started_at=now,
        )  # fmt: skip
        who = Principal(tenant=tenant, key_id=key_id, key_name="ci")
        return Asked(who=who, call=call, facts=facts, decision_id=f"d{self.count}", began=now)

    async def text(self, asked: Asked) -> bytes:
        """All bytes of the answer, as a surface takes them."""
        answer = await self.gateway.complete(asked)
        if answer.body is not None:
            return answer.body
        found = b""
        try:
            while (data := await answer.next()) is not None:
                found += data
        finally:
            answer.abandon()
            self.gateway.inflight.leave(asked.who.key_id, answer)
        return found

    def records(self) -> list[object]:
        self.journal.commit()
        return [record_decoder().decode(payload) for payload in self.journal.committed]

    def at_rest(self) -> None:
        """Nothing is under way, and everything that was begun has ended on record exactly once."""
        gateway = self.gateway
        assert gateway.inflight.keys() == ()
        assert gateway.gate.inside == gateway.gate.waiting == 0
        in_flight = self.board.health(asyncio.get_running_loop().time()).in_flight
        assert not any(in_flight.values()), in_flight
        assert not gateway.reuse._running
        assert not gateway.reuse.claims._claims
        assert not gateway.reuse._batches._open
        assert not gateway.reuse._batches._running
        assert not self.meter._open
        assert all(one.held == 0 for one in self.meter._slices.values()), {name: one.held for name, one in self.meter._slices.items()}
        records = self.records()
        ids = {
            kind: sorted(getattr(each, name) for each in records if isinstance(each, kind))
            for kind, name in ((Held, "request_id"), (Closed, "request_id"), (Intended, "attempt_id"), (Settled, "attempt_id"))
        }
        assert ids[Held] == ids[Closed]
        assert ids[Intended] == ids[Settled]
        assert len(set(ids[Settled])) == len(ids[Settled])

    def told(self, request_id: str) -> list[object]:
        return [each for each in self.records() if isinstance(each, Answered | Refused) and each.request_id == request_id]
