"""What could go wrong between two awaits of a request."""

import asyncio
import json
from dataclasses import replace

import pytest
from tests.unit.gateway.one_worker import Worker, deployment, model, snapshot, whole

from ninefold.domain.call import Operation
from ninefold.domain.errors import Killed, NinefoldError, PolicyDenied, Unavailable
from ninefold.domain.snapshot import Abilities, LoadRules, Tenant, Truncation


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


def gated(**more):
    here, there = deployment("eu", region="eu"), deployment("us", region="us")
    rules = {"load": LoadRules(max_in_flight=1, queue_s=(5.0, 5.0, 5.0)), "deployments": (here, there)}
    return snapshot(model("us", "eu"), **(rules | more))


def test_a_request_that_waited_is_judged_by_what_holds_when_it_goes_on():
    """Its tenant's data may go to the EU alone since: neither this request nor one that follows may leave it."""

    async def work():
        worker = await Worker(gated()).begin()
        free = asyncio.Event()

        async def slowly(to, call, limits):
            if len(worker.vendor.asked) == 1:
                await free.wait()
            return whole()

        worker.vendor.answers = slowly
        first = asyncio.create_task(worker.text(worker.asked()))
        await turns()
        second = asyncio.create_task(worker.text(worker.asked()))
        await turns()
        worker.gateway.use(gated(version=2, tenants=(Tenant(name="acme", models=("*",), regions=("eu",)),), policy_version="q"))
        free.set()
        await asyncio.gather(first, second)
        await worker.text(worker.asked())
        assert worker.vendor.asked == ["us", "eu", "eu"]
        worker.at_rest()

    asyncio.run(work())


@pytest.mark.parametrize("tenants", [(Tenant(name="acme", models=("other",)),), ()])
def test_a_request_that_waited_while_its_model_was_taken_away_is_denied(tenants):
    async def work():
        worker = await Worker(gated()).begin()
        free = asyncio.Event()

        async def slowly(to, call, limits):
            await free.wait()
            return whole()

        worker.vendor.answers = slowly
        first = asyncio.create_task(worker.text(worker.asked()))
        await turns()
        second = asyncio.create_task(worker.text(worker.asked()))
        await turns()
        worker.gateway.use(gated(version=2, tenants=tenants, policy_version="q"))
        free.set()
        await first
        with pytest.raises(PolicyDenied):
            await second
        assert worker.vendor.asked == ["us"]
        worker.at_rest()

    asyncio.run(work())


class SlowAnswers:
    """An answer store that lets a test do something while it is asked."""

    def __init__(self, store):
        self._store = store
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def claim(self, claim):
        self.asked.set()
        await self.go.wait()
        return await self._store.claim(claim)

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_an_answer_made_by_the_rules_of_yesterday_is_not_kept_for_those_of_today():
    async def work():
        before = snapshot(model("a", cache_ttl_s=60.0, coalesce=True), deployments=(deployment("a"), deployment("b")))
        worker = await Worker(before).begin()
        slow = worker.gateway.reuse.claims._store = SlowAnswers(worker.answers)
        first = asyncio.create_task(worker.text(worker.asked(idempotency_key="x")))
        await slow.asked.wait()
        worker.gateway.use(replace(before, version=2, models=(model("b", cache_ttl_s=60.0, coalesce=True),)))
        slow.go.set()
        await first
        await worker.text(worker.asked())
        assert worker.vendor.asked == ["a", "b"]

    asyncio.run(work())


@pytest.mark.parametrize("how", ["exact", "replay"])
@pytest.mark.parametrize("pieces", [0, 1])
def test_a_kept_stream_that_is_killed_never_ends_well(how, pieces):
    async def work():
        worker = await Worker(snapshot(model("a", cache_ttl_s=60.0 if how == "exact" else 0.0))).begin()
        more = {"stream": True, "idempotency_key": "x" if how == "replay" else ""}
        full = await worker.text(worker.asked(**more))
        answer = await worker.gateway.complete(asked := worker.asked(**more))
        assert answer.cache == how
        got = [await answer.next() for _ in range(pieces if how == "exact" else 0)]
        worker.gateway.inflight.kill_key("k", "revoked")
        with pytest.raises(Killed):
            await answer.next()
        assert b"".join(each or b"" for each in got) != full
        answer.abandon()
        worker.gateway.inflight.leave("k", answer)
        worker.at_rest()
        assert [each.status for each in worker.told(asked.facts.request_id)] == ["killed"]

    asyncio.run(work())


EMBED = {"operation": Operation.EMBEDDINGS, "max_output_tokens": None}


def test_a_batch_that_cannot_be_held_leaves_nobody_waiting():
    async def work():
        worker = await Worker(
            snapshot(model("a", micro_batch_ms=1.0), deployments=(deployment("a", operations=(Operation.EMBEDDINGS,)),))
        ).begin()
        held, append = 0, worker.journal.append

        def full(record):
            nonlocal held
            if type(record).__name__ == "Held":
                held += 1
                if held == 2:
                    raise Unavailable("the journal's disk does not take any more")
            return append(record)

        worker.meter._append = full
        asked = [worker.asked(body=b'{"input":"%d"}' % n, **EMBED) for n in range(3)]
        async with asyncio.timeout(5):
            found = await asyncio.gather(*(worker.text(each) for each in asked), return_exceptions=True)
        assert all(isinstance(each, bytes | NinefoldError) for each in found), found
        worker.at_rest()

    asyncio.run(work())


def summarising(**more):
    """A model that is at home in the EU, whose conversations are summarised by one that is everywhere."""
    small = {"abilities": Abilities(context_tokens=1000), "max_output_tokens": 100}
    rules = Truncation(strategy="summarise", summarise_with="s")
    models = model("a", regions=("eu",), truncation=rules), model("us", "eu", name="s")
    known = deployment("a", region="eu", **small), deployment("us", region="us"), deployment("eu", region="eu")
    return snapshot(*models, deployments=known, **more)


LONG = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 200}] * 20}).encode()


def test_a_summary_goes_nowhere_where_its_conversation_may_not_go_and_needs_no_place_of_its_own():
    async def work():
        worker = await Worker(summarising(load=LoadRules(max_in_flight=1, queue_s=(0.0, 0.0, 0.0)))).begin()
        await worker.text(worker.asked(body=LONG, input_tokens_bound=len(LONG)))
        assert worker.vendor.asked == ["eu", "a"]
        worker.at_rest()

    asyncio.run(work())
