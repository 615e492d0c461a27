"""Thousands of mixed requests, of which many fail, hang up or are killed: nothing is lost, left behind or told wrongly.

Everything runs in virtual time on one event loop, with the real planes of two workers over one store of idempotent answers.
"""

import asyncio
import json
import random

import msgspec
import pytest
from tests.property.test_money_machine import VirtualLoop
from tests.unit.gateway.one_worker import DEAR, Words, Worker, deployment, model, snapshot

from ninefold.adapters.memory.answers import MemoryAnswerStore
from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import Operation
from ninefold.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NinefoldError,
    NoRuleMatched,
    RateLimited,
    StreamInterrupted,
    Unavailable,
    UpstreamRejected,
)
from ninefold.domain.snapshot import Budget, ClassRoute, Hedge, Limit, LoadRules, Promotion, Retries, TaskClass, Tenant, Timeouts
from ninefold.domain.usage import Usage
from ninefold.finops.records import Settled
from ninefold.gateway.cache import MAX_BYTES
from ninefold.ports.upstream import AttemptFailed

BOTH = (Operation.CHAT, Operation.EMBEDDINGS)
COMMON = {
    "timeouts": Timeouts(first_token_s=5.0, total_s=30.0),
    "retries": Retries(per_deployment=2, max_attempts=4, budget_ratio=1.0, budget_floor=1000),
}
CLASSES = (
    TaskClass(name="rules", promotion=Promotion(to="best", on=("no_rule_matched", "low_support", "failures"), min_support=0.5)),
    TaskClass(name="best"),
)
MODELS = (
    model("a", "b", name="plain", **COMMON),
    model("a", "b", "c", name="hedged", hedge=Hedge(after_s=0.3, budget_ratio=1.0), **COMMON),
    model("a", "b", name="held", commit="complete", hedge=Hedge(after_s=0.3, budget_ratio=1.0), **COMMON),
    model("a", "b", name="shared", coalesce=True, cache_ttl_s=3.0, micro_batch_ms=50.0, **COMMON),
    model(
        "a", "c", name="classes", coalesce=True,
        classes=(
            ClassRoute(task_class="rules", strategy="priority", deployments=("a",)),
            ClassRoute(task_class="best", strategy="priority", deployments=("c", "b")),
        ), **COMMON,
    ),
)  # fmt: skip
KEYS = {"acme": ("k1", "k2"), "beta": ("k3",)}
COUNT = 500


def rules(version):
    tenants = tuple(
        Tenant(
            name=name,
            models=("*",),
            budgets=(Budget(budget_id=f"{name}-all", limit_nanos=10**9, window="total"),),
            limits=(Limit(limit_id=f"{name}-slots", measure="concurrent", amount=40, period_s=0),),
            durability="strict" if name == "beta" else "group",
        )
        for name in KEYS
    )
    known = [
        deployment("a", operations=BOTH),
        deployment("b", operations=BOTH),
        deployment("c", operations=BOTH, price=DEAR, max_in_flight=5),
    ]
    load = LoadRules(max_in_flight=30 if version % 3 else None, queue_s=(0.0, 1.0, 4.0))
    return snapshot(
        *MODELS, deployments=tuple(known), tenants=tenants, task_classes=CLASSES, load=load, version=version, policy_version=str(version)
    )


class DefectOfOurs(RuntimeError):
    pass


class Chance:
    """A vendor of many moods; what it says tells for which tenant."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.streams = []

    async def nap(self):
        await asyncio.sleep(self.random.choice([0.0, 0.0, 0.01, 0.1, 0.5, 2.0]))

    def error(self):
        return self.random.choice(
            [
                Unavailable("down"),
                RateLimited("wait", retry_after_s=0.2),
                DeadlineExceeded("silent"),
                UpstreamRejected("no"),
                NoRuleMatched("none"),
            ]
        )

    async def open(self, to, call, limits):
        await self.nap()
        mood = self.random.random()
        if mood < 0.15:
            raise AttemptFailed(self.error(), usage=Usage(input_tokens=self.random.choice([0, 5])))
        if mood < 0.18:
            raise AttemptFailed(InvalidRequest("at fault"), elsewhere=False)
        if mood < 0.22:
            raise AttemptFailed(UpstreamRejected("key"), other_key=True)
        if mood < 0.23:
            raise DefectOfOurs
        who = call.traceparent
        if call.operation is Operation.EMBEDDINGS:
            texts = json.loads(call.body)["input"]
            vectors = [{"index": n, "embedding": who} for n in range(1 if isinstance(texts, str) else len(texts))]
            if mood < 0.3 and len(vectors) > 1:
                vectors.pop()
            body = msgspec.json.encode({"object": "list", "data": vectors, "usage": {"prompt_tokens": 8, "total_tokens": 8}})
            return Whole(body=Splice(before=body[:-1], after=b"}"), usage=Usage(input_tokens=8))
        if not call.stream:
            body = msgspec.json.encode({"who": who})
            return Whole(
                body=Splice(before=body[:-1], after=b"}"), usage=Usage(input_tokens=9, output_tokens=4), support=self.random.random()
            )
        breaks = mood > 0.9

        async def before():
            await self.nap()
            if stream.aborted:
                raise StreamInterrupted("stopped")
            if breaks and stream.sent > 2:
                raise self.error()

        said = msgspec.json.encode({"who": who})
        stream = Words([b"data: %b\n\n" % said] * self.random.randint(1, 6), before)
        stream.tail = Splice(before=b'data: {"words":%d' % len(stream.words), after=b"}\n\n")
        self.streams.append(stream)
        return stream


def checked(data, tenant, *, stream):
    """An answer that ended well: it is this tenant's, and all of it."""
    if stream:
        events = [json.loads(each.removeprefix(b"data: ")) for each in data.split(b"\n\n") if each]
        assert events[-1]["words"] == len(events) - 1, events
        said = [each["who"] for each in events[:-1]]
    else:
        found = json.loads(data)
        said = [found["who"]] if "who" in found else [each["embedding"] for each in found["data"]]
    assert said
    assert set(said) == {tenant}


async def one(worker, chance, ended):
    tenant = chance.choice(list(KEYS))
    asked_model = chance.choice(MODELS).name
    embeds = asked_model == "shared" and chance.random() < 0.5
    stream = not embeds and chance.random() < 0.5
    text = chance.choice("xyz")
    more = {"operation": Operation.EMBEDDINGS, "max_output_tokens": None} if embeds else {}
    asked = worker.asked(
        tenant=tenant,
        key_id=chance.choice(KEYS[tenant]),
        model=asked_model,
        stream=stream,
        body=json.dumps({"input": text} if embeds else {"model": asked_model, "messages": [{"role": "user", "content": text}]}).encode(),
        traceparent=tenant,
        task_class="rules" if asked_model == "classes" and chance.random() < 0.7 else "",
        priority=chance.choice(["", "low", "high"]),
        idempotency_key=f"{text}{stream}{embeds}{asked_model}" if chance.random() < 0.2 else "",
        fresh=chance.random() < 0.1,
        **more,
    )
    try:
        answer = await worker.gateway.complete(asked)
    except NinefoldError as error:
        ended[type(error).__name__] = ended.get(type(error).__name__, 0) + 1
        return
    except DefectOfOurs:
        return
    ended[answer.cache] = ended.get(answer.cache, 0) + 1
    if answer.body is not None:
        checked(answer.body, tenant, stream=stream)
        return
    found = b""
    try:
        while (data := await answer.next()) is not None:
            found += data
            if chance.random() < 0.1:
                await asyncio.sleep(chance.choice([0.0, 0.3, 3.0]))
        checked(found, tenant, stream=stream)
    except NinefoldError as error:
        ended["cut: " + error.code] = ended.get("cut: " + error.code, 0) + 1
    finally:
        answer.abandon()
        worker.gateway.inflight.leave(asked.who.key_id, answer)


async def schedule(seed):
    chance, vendor, ended = random.Random(seed), Chance(seed), {}
    answers = MemoryAnswerStore()
    workers = [await Worker(rules(1), answers=answers, name=name).begin() for name in ("v", "w")]
    shared_store = workers[0].store
    for worker in workers:
        worker.vendor.answers = vendor.open
        worker.meter._store = shared_store if worker is workers[0] else worker.meter._store
    running = [asyncio.create_task(worker.meter.run()) for worker in workers]
    tasks, version = [], 1
    for number in range(COUNT):
        worker = chance.choice(workers)
        tasks.append(asyncio.create_task(one(worker, chance, ended)))
        if chance.random() < 0.4:
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.01, 0.2]))
        if chance.random() < 0.25:
            gone = chance.choice(tasks[-30:])
            gone.cancel()
            if chance.random() < 0.2:
                asyncio.get_running_loop().call_soon(gone.cancel)
        if chance.random() < 0.02:
            key = chance.choice(["k1", "k2", "k3"])
            for each in workers:
                each.gateway.inflight.kill_key(key, "revoked")
            await asyncio.sleep(chance.choice([0.0, 0.05]))
            for each in workers:
                each.gateway.inflight.readmit([key])
        if number % 100 == 99:
            version += 1
            for each in workers:
                each.gateway.use(rules(version))
        for each in workers:
            assert each.gateway.reuse.cache.size_bytes <= MAX_BYTES
            assert each.gateway.gate.inside <= 30 + len(tasks)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [each for each in results if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError)]
    assert not broken, broken
    await asyncio.sleep(60.0)
    for worker in workers:
        worker.at_rest()
        await worker.gateway.reuse.claims.step()
        assert not worker.gateway.reuse.claims._to_free
        leads = [each for each in worker.records() if isinstance(each, Settled) and each.outcome == "interrupted"]
        assert not leads, leads
    assert all(each.aborted or each.sent == len(each.words) or each.sent > 2 for each in vendor.streams)
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return ended


@pytest.mark.parametrize("seed", range(3))
def test_everything_that_was_begun_ends(seed):
    loop = VirtualLoop()
    try:
        ended = loop.run_until_complete(schedule(seed))
        assert {"bypass", "miss", "exact", "coalesced", "replay", "Killed"} <= set(ended), ended
    finally:
        loop.close()
