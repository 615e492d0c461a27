import asyncio

import pytest

from ninefold.adapters.memory.answers import MemoryAnswerStore
from ninefold.domain.allowance import Holder
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.domain.principal import Principal
from ninefold.gateway.parts import Asked
from ninefold.gateway.recording import Recording
from ninefold.gateway.replay import MOST_TO_FREE, Claim, Claims, StillRunning
from ninefold.ports.answer_store import KeptAnswer, Standing
from ninefold.ports.recorder import RequestFacts

ANSWER = KeptAnswer(body=b"{}", streamed=False, content_type="application/json", deployment="oai")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class House:
    def __init__(self, wait_s=0.3):
        self.clock, self.store = Clock(), MemoryAnswerStore()
        self.one, self.other = (self.worker(name, wait_s) for name in ("gateway-1", "gateway-2"))
        self.count = 0

    def worker(self, name, wait_s):
        claims = Claims(self.store, Holder(worker=name, epoch=1), self.clock, wait_s=wait_s)
        claims.ttl_s = 100.0
        return claims

    def asked(self, body=b"{}", *, key="k", key_id="key-1", surface="openai.chat"):
        self.count += 1
        call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=body, idempotency_key=key)
        facts = RequestFacts(
            request_id=f"r-{self.count}",
            trace_id=f"t-{self.count}",
            tenant="acme",
            key_id=key_id,
            model="m",
            surface=surface,
            started_at=0.0,
        )
        who = Principal(tenant="acme", key_id=key_id, key_name="ci")
        return Asked(who=who, call=call, facts=facts, decision_id="d", began=0.0)


def test_a_key_is_claimed_once_and_its_answer_stands_for_both_workers():
    async def scene():
        house = House()
        claim = await house.one.take(house.asked(), 10.0)
        assert isinstance(claim, Claim)
        await house.one.keep(claim, ANSWER)
        house.one.leave(claim)
        await house.one.step()
        for worker in (house.one, house.other):
            assert await worker.take(house.asked(), 10.0) == Standing(digest=claim.digest, trace_id="t-1", answer=ANSWER)

    asyncio.run(scene())


def test_a_key_belongs_to_its_credential_and_surface():
    async def scene():
        house = House()
        claims = [
            await house.one.take(house.asked(**changes), 10.0)
            for changes in ({}, {"key_id": "key-2"}, {"surface": "anthropic"}, {"key": "l"})
        ]
        assert len({each.scope for each in claims}) == 4

    asyncio.run(scene())


@pytest.mark.parametrize("worker", ["one", "other"])
@pytest.mark.parametrize("kept", [False, True])
def test_another_body_is_a_conflict_at_once(worker, kept):
    async def scene():
        house = House()
        claim = await house.one.take(house.asked(), 10.0)
        if kept:
            await house.one.keep(claim, ANSWER)
        with pytest.raises(Conflict) as caught:
            await getattr(house, worker).take(house.asked(b'{"a":1}'), 10.0)
        assert not caught.value.retryable
        assert caught.value.param == "idempotency-key"

    asyncio.run(scene())


def test_the_same_worker_joins_what_is_under_way():
    async def scene():
        house = House()
        claim = await house.one.take(house.asked(), 10.0)
        second = asyncio.create_task(house.one.take(house.asked(), 10.0))
        await asyncio.sleep(0)
        recording = Recording()
        recording.join(leads=True)
        claim.answered_by(recording)
        assert await second is claim
        house.one.leave(claim)
        await house.one.step()
        assert await house.one.take(house.asked(), 10.0) is claim, "it stands as long as one of them is there"

    asyncio.run(scene())


def test_an_answer_under_way_elsewhere_is_waited_for():
    async def scene():
        house = House(wait_s=5.0)
        claim = await house.one.take(house.asked(), 10.0)
        second = asyncio.create_task(house.other.take(house.asked(), 10.0))
        await asyncio.sleep(0.05)
        assert not second.done()
        await house.one.keep(claim, ANSWER)
        assert (await second).answer == ANSWER

    asyncio.run(scene())


def test_the_wait_is_bounded_and_the_same_request_may_be_sent_again():
    async def scene():
        house = House(wait_s=0.15)
        await house.one.take(house.asked(), 10.0)
        for worker in (house.one, house.other):
            with pytest.raises(StillRunning) as caught:
                await worker.take(house.asked(), 10.0)
            assert (caught.value.retryable, caught.value.retry_after_s) == (True, 1)

    asyncio.run(scene())


def test_a_key_that_was_let_go_is_free_here_at_once_and_elsewhere_after_a_step():
    async def scene():
        house = House(wait_s=0.15)
        house.one.leave(await house.one.take(house.asked(), 10.0))
        claim = await house.one.take(house.asked(), 10.0)
        await house.one.step()
        with pytest.raises(StillRunning):
            await house.other.take(house.asked(), 10.0)
        house.one.leave(claim)
        await house.one.step()
        assert isinstance(await house.other.take(house.asked(), 10.0), Claim)

    asyncio.run(scene())


def test_a_claim_is_void_after_the_deadline_of_its_model():
    async def scene():
        house = House(wait_s=0.15)
        await house.one.take(house.asked(), 10.0)
        house.clock.now += 14.9
        with pytest.raises(StillRunning):
            await house.other.take(house.asked(), 10.0)
        house.clock.now += 0.2
        assert isinstance(await house.other.take(house.asked(), 10.0), Claim)

    asyncio.run(scene())


def test_an_answer_too_large_to_be_kept_is_never_made_twice():
    async def scene():
        house = House()
        claim = await house.one.take(house.asked(), 10.0)
        await house.one.keep(claim, KeptAnswer(body=None, streamed=True, content_type="", deployment="oai"))
        with pytest.raises(Conflict, match="trace t-1"):
            await house.other.take(house.asked(), 10.0)

    asyncio.run(scene())


def test_a_store_that_is_down_refuses_and_leaves_nothing_behind():
    class Down(MemoryAnswerStore):
        down = True

        async def claim(self, claim):
            if self.down:
                raise Unavailable("down")
            return await super().claim(claim)

    async def scene():
        house = House()
        house.store = store = Down()
        worker = house.worker("gateway-1", 0.3)
        with pytest.raises(Unavailable):
            await worker.take(house.asked(), 10.0)
        store.down = False
        assert isinstance(await worker.take(house.asked(), 10.0), Claim)

    asyncio.run(scene())


def test_an_answer_that_came_after_another_worker_took_its_key_is_not_given():
    async def scene():
        house = House()
        first = await house.one.take(house.asked(), 10.0)
        house.clock.now += 16.0
        second = await house.other.take(house.asked(), 10.0)
        await house.other.keep(second, ANSWER)
        with pytest.raises(Unavailable, match="Another worker"):
            await house.one.keep(first, ANSWER)

    asyncio.run(scene())


def test_an_answer_that_took_longer_than_its_claim_stands_where_nobody_else_came():
    async def scene():
        house = House()
        claim = await house.one.take(house.asked(), 10.0)
        house.clock.now += 16.0
        await house.one.sweep()
        await house.one.keep(claim, ANSWER)
        assert await house.other.take(house.asked(), 10.0) == Standing(digest=claim.digest, trace_id="t-1", answer=ANSWER)

    asyncio.run(scene())


def test_what_is_to_be_freed_is_bounded_where_the_store_is_down_for_long():
    async def scene():
        house = House()
        for number in range(MOST_TO_FREE + 10):
            house.one.leave(Claim(f"s{number}", "d", "t", "trace"))
        assert len(house.one._to_free) == MOST_TO_FREE
        await house.one.step()
        assert not house.one._to_free

    asyncio.run(scene())
