"""The laws of ports/meter.py, over a store in memory and over real databases. Time is the loop's own, real and short."""

import asyncio
import time

import pytest

from ninefold.adapters.memory.journal import MemoryJournal
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.migrate import migrate
from ninefold.domain.cost import Outcome
from ninefold.domain.errors import BudgetExceeded, Internal, RateLimited, Unavailable
from ninefold.domain.money import Price
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Budget, Deployment, Limit, Tenant
from ninefold.domain.usage import Usage
from ninefold.finops.meter import LeasedMeter, MeterTimes
from ninefold.finops.records import Closed, Held, Intended, Settled, record_decoder
from ninefold.ports.meter import HoldRequest

NOW = 1_800_000_000.0 + 1800
CHEAP = Price(version="v1", input_per_million=10**6, output_per_million=10**6, cached_input_per_million=0, cache_write_per_million=0)
DEAR = Price(version="v2", input_per_million=3 * 10**6, output_per_million=3 * 10**6, cached_input_per_million=0, cache_write_per_million=0)
EU = Deployment(name="eu", provider="openai", base_url="http://x", model="m", price=CHEAP)
US = Deployment(name="us", provider="openai", base_url="http://x", model="m", price=DEAR)
FREE = Deployment(name="free", provider="openai", base_url="http://x", model="m", price=None)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryLeaseStore(clock=lambda: NOW)
        return
    url = f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = open_database(url)
    migrate(database)
    yield SqlLeaseStore(database, clock=lambda: NOW)
    database.close()


class Worker:
    def __init__(self, store, name="w0", wait_s=2.0):
        self.store, self.name, self.wait_s = store, name, wait_s
        self.journal = MemoryJournal()
        self.count = 0

    async def __aenter__(self):
        before = time.monotonic()
        opened = await self.store.open_worker(self.name)
        times = MeterTimes(wait_s=self.wait_s, poll_s=0.02, report_s=0.05, retry_s=0.02, gap_s=0.001)
        self.meter = LeasedMeter(
            self.journal, self.store, opened, opened_at=before, monotonic=time.monotonic, wall=lambda: NOW, times=times
        )
        self.running = asyncio.create_task(self.meter.run())
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def request(self, tenant, inputs=0, outputs=0, deployments=(EU,), now=NOW):
        self.count += 1
        return HoldRequest(
            request_id=f"{self.name}-r{self.count}", trace_id="t", decision_id="d",
            principal=Principal(tenant=tenant.name, key_id="k", key_name="ci"), tenant=tenant, model="fast", operation="chat",
            attribution=(), deployments=deployments, input_tokens_bound=inputs, output_tokens_bound=outputs, now=now,
        )  # fmt: skip

    async def hold(self, tenant, inputs=0, outputs=0, **more):
        request = self.request(tenant, inputs, outputs, **more)
        return self.meter.try_hold(request) or await self.meter.hold(request)

    def records(self):
        self.journal.commit()
        return [record_decoder().decode(payload) for payload in self.journal.committed]


def budget(nanos, window="hour", budget_id="b"):
    return Tenant(name="acme", budgets=(Budget(budget_id=budget_id, limit_nanos=nanos, window=window),))


def limit(measure, amount, period_s=60):
    return Tenant(name="acme", limits=(Limit(limit_id="l", measure=measure, amount=amount, period_s=period_s),))


async def spent(store):
    return [(found.spent, found.outstanding) for found in await store.balances("acme")]


def test_a_hold_equal_to_what_is_left_is_accepted_and_one_nano_more_is_refused(store):
    async def work():
        async with Worker(store) as one:
            first = await one.hold(budget(1000), 600)
            with pytest.raises(BudgetExceeded, match=r"\$0\.000000401, and \$0\.0000004") as told:
                await one.hold(budget(1000), 401)
            assert told.value.retry_after_s == 1800, "the window rolls within the hour"
            last = await one.hold(budget(1000), 400)
            assert (first.nanos, last.nanos) == (600, 400)

    asyncio.run(work())


def test_a_refusal_that_can_never_change_does_not_wait(store):
    async def work():
        async with Worker(store, wait_s=60) as one:
            async with asyncio.timeout(20):
                with pytest.raises(BudgetExceeded) as told:
                    await one.hold(budget(1000, window="total"), 1001)
                assert told.value.retry_after_s is None
                with pytest.raises(RateLimited, match="max_tokens") as told:
                    await one.hold(limit("tokens", 100), 50, 51)
                assert told.value.retry_after_s is None

    asyncio.run(work())


def test_the_hold_is_the_dearest_of_the_plan_and_close_returns_what_was_not_spent(store):
    async def work():
        async with Worker(store) as one:
            hold = await one.hold(budget(1000), 100, 200, deployments=(EU, US, FREE))
            assert hold.nanos == 900
            one.meter.begin(hold, "a1", EU)
            line = one.meter.settle(hold, "a1", Usage(input_tokens=100, output_tokens=20), Outcome.COMPLETED)
            assert (line.cost_nanos, line.price_version, line.overrun_nanos) == (120, "v1", 0)
            assert one.meter.settle(hold, "a1", Usage(input_tokens=1), Outcome.FAILED) is line
            one.meter.close(hold)
            one.meter.close(hold)
            assert (await one.hold(budget(1000), 880)).nanos == 880
            with pytest.raises(BudgetExceeded):
                await one.hold(budget(1000), 1)

    asyncio.run(work())


def test_each_step_stands_in_the_journal_once(store):
    async def work():
        async with Worker(store) as one:
            hold = await one.hold(budget(1000), 10, 20)
            one.meter.begin(hold, "a1", EU)
            one.meter.settle(hold, "a1", Usage(input_tokens=1), Outcome.FAILED)
            await one.meter.begin_again(hold, "a2", EU)
            one.meter.settle(hold, "a2", Usage(input_tokens=2), Outcome.COMPLETED)
            one.meter.settle(hold, "a2", Usage(input_tokens=2), Outcome.COMPLETED)
            one.meter.close(hold)
            assert [type(record) for record in one.records()] == [Held, Intended, Settled, Intended, Settled, Closed]

    asyncio.run(work())


def test_a_further_attempt_is_covered_or_refused(store):
    async def work():
        async with Worker(store) as one:
            hold = await one.hold(budget(1000), 300)
            one.meter.begin(hold, "a1", EU)
            one.meter.settle(hold, "a1", Usage(input_tokens=200), Outcome.CUT_SHORT)
            assert hold.nanos == 100
            await one.meter.begin_again(hold, "a2", EU)
            assert hold.nanos == 300
            await one.meter.begin_again(hold, "a3", EU)
            assert hold.nanos == 600, "a hedge beside an open attempt has a hold of its own"
            with pytest.raises(BudgetExceeded):
                await one.meter.begin_again(hold, "a4", EU)
            one.meter.settle(hold, "a2", Usage(input_tokens=300), Outcome.COMPLETED)
            one.meter.settle(hold, "a3", Usage(), Outcome.FAILED)
            one.meter.close(hold)
            assert (await one.hold(budget(1000), 500)).nanos == 500

    asyncio.run(work())


def test_what_is_billed_above_the_hold_is_booked_never_clipped(store):
    async def work():
        async with Worker(store) as one:
            hold = await one.hold(budget(1000), 1000)
            one.meter.begin(hold, "a1", EU)
            line = one.meter.settle(hold, "a1", Usage(input_tokens=1300), Outcome.COMPLETED)
            assert (line.cost_nanos, line.overrun_nanos) == (1300, 300)
            assert one.meter.counts.overrun_nanos == 300
            one.meter.close(hold)
            await one.meter.give_back_all()
            (found,) = await store.balances("acme")
            assert (found.spent, found.overrun, found.outstanding) == (1300, 300, 0)
            with pytest.raises(BudgetExceeded):
                await one.hold(budget(1000), 1)

    asyncio.run(work())


def test_an_attempt_that_nobody_settles_counts_as_its_worst_case(store):
    async def work():
        async with Worker(store) as one:
            hold = await one.hold(budget(1000), 300)
            one.meter.begin(hold, "a1", EU)
            one.meter.close(hold)
            (settled,) = [record for record in one.records() if isinstance(record, Settled)]
            assert (settled.outcome, settled.cost_nanos) == ("interrupted", 300)
            with pytest.raises(Internal):
                one.meter.begin(hold, "a2", EU)
            with pytest.raises(Internal):
                one.meter.settle(hold, "a3", Usage(), Outcome.FAILED)

    asyncio.run(work())


def test_unpriced_models_hold_no_money_and_count_against_limits(store):
    async def work():
        tenant = Tenant(name="acme", budgets=budget(10).budgets, limits=limit("tokens", 100).limits)
        async with Worker(store) as one:
            hold = await one.hold(tenant, 60, 40, deployments=(FREE,))
            one.meter.begin(hold, "a1", FREE)
            line = one.meter.settle(hold, "a1", Usage(input_tokens=60, output_tokens=10), Outcome.COMPLETED)
            assert (line.cost_nanos, line.unpriced, one.meter.counts.unpriced) == (0, True, 1)
            one.meter.close(hold)
            with pytest.raises(RateLimited, match="100 tokens per minute") as told:
                await one.hold(tenant, 31, deployments=(FREE,))
            assert told.value.retry_after_s == pytest.approx(0.6)
            await one.hold(tenant, 30, deployments=(FREE,))

    asyncio.run(work())


def test_requests_count_once_begun_and_slots_come_back(store):
    async def work():
        tenant = Tenant(name="acme", limits=(
            Limit(limit_id="r", measure="requests", amount=3, period_s=60), Limit(limit_id="c", measure="concurrent", amount=2, period_s=0),
        ))  # fmt: skip
        async with Worker(store) as one:
            first, second = await one.hold(tenant), await one.hold(tenant)
            with pytest.raises(RateLimited, match="2 concurrent") as told:
                await one.hold(tenant)
            assert told.value.retry_after_s == 1
            one.meter.close(first)  # it was never sent: it does not count
            for n, hold in enumerate((second, await one.hold(tenant))):
                one.meter.begin(hold, f"a{n}", EU)
                one.meter.settle(hold, f"a{n}", Usage(), Outcome.COMPLETED)
                one.meter.close(hold)
            third = await one.hold(tenant)
            one.meter.begin(third, "a9", EU)
            one.meter.close(third)
            with pytest.raises(RateLimited, match="3 requests per minute") as told:
                await one.hold(tenant)
            assert told.value.retry_after_s == pytest.approx(20)

    asyncio.run(work())


def test_who_has_no_budgets_and_no_limits_needs_no_store(store):
    async def work():
        async with Worker(store) as one:
            hold = one.meter.try_hold(one.request(Tenant(name="acme"), 10, 10))
            assert hold is not None
            assert hold.nanos == 20
            one.meter.close(hold)
            assert await store.balances("acme") == ()

    asyncio.run(work())


def test_unspent_slices_of_another_worker_are_called_back(store):
    async def work():
        tenant = budget(1000)
        async with Worker(store, "w0", wait_s=5) as one, Worker(store, "w1", wait_s=5) as two:
            hold = await one.hold(tenant, 10)
            one.meter.close(hold)
            assert (await spent(store))[0][1] > 10, "the first has leased more than it needed"
            whole = await two.hold(tenant, 1000)
            assert whole.nanos == 1000
            async with asyncio.timeout(30):
                waiting = asyncio.create_task(one.hold(tenant, 400))
                await asyncio.sleep(0.1)
                assert not waiting.done(), "money in flight is waited for"
                two.meter.begin(whole, "a1", EU)
                two.meter.settle(whole, "a1", Usage(input_tokens=600), Outcome.COMPLETED)
                two.meter.close(whole)
                assert (await waiting).nanos == 400

    asyncio.run(work())


def test_the_line_is_fair_and_everybody_who_fits_is_served(store):
    async def work():
        async with Worker(store) as one:
            results = await asyncio.gather(*(one.hold(budget(1000), 100) for _ in range(25)), return_exceptions=True)
            assert [isinstance(result, BudgetExceeded) for result in results] == [False] * 10 + [True] * 15

    asyncio.run(work())


def test_whoever_gives_up_waiting_leaves_nothing_behind(store):
    async def work():
        tenant = budget(1000)
        async with Worker(store, wait_s=5) as one:
            first = await one.hold(tenant, 1000)
            waiting = [asyncio.create_task(one.hold(tenant, 500)) for _ in range(3)]
            await asyncio.sleep(0.05)
            one.meter.close(first)  # two of them are served in this moment, before they can run
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert (await one.hold(tenant, 1000)).nanos == 1000

    asyncio.run(work())


def test_settlement_goes_to_the_window_of_admission(store):
    async def work():
        tenant = budget(1000)
        async with Worker(store) as one:
            late = await one.hold(tenant, 1000, now=1_800_003_599.9)
            fresh = await one.hold(tenant, 1000, now=1_800_003_600.0)
            for name, hold, used in (("a1", late, 700), ("a2", fresh, 50)):
                one.meter.begin(hold, name, EU)
                one.meter.settle(hold, name, Usage(input_tokens=used), Outcome.COMPLETED)
                one.meter.close(hold)
            await one.meter.give_back_all()
            assert [found.spent for found in await store.balances("acme")] == [700, 50]

    asyncio.run(work())


def test_a_changed_budget_is_in_force_with_the_next_request(store):
    async def work():
        async with Worker(store) as one:
            one.meter.close(await one.hold(budget(1000), 100))
            with pytest.raises(BudgetExceeded):
                await one.hold(budget(50), 60)
            assert (await one.hold(budget(5000), 4000)).nanos == 4000

    asyncio.run(work())


def test_leases_go_on_without_the_store_until_they_end_then_it_is_closed():
    async def work():
        store = MemoryLeaseStore(ttl_s=0.5)
        async with Worker(store) as one:
            tenant = budget(10**6)
            hold = await one.hold(tenant, 10)
            store.down = True
            assert one.meter.try_hold(one.request(tenant, 10)) is not None, "the slice is ours"
            await asyncio.sleep(0.6)
            assert one.meter.try_hold(one.request(tenant, 10)) is None
            with pytest.raises(Unavailable):
                await one.hold(tenant, 10)
            with pytest.raises(Unavailable):
                one.meter.begin(hold, "a1", EU)
            assert one.meter.counts.store_failures > 0
            store.down = False
            assert await one.hold(tenant, 10) is not None

    asyncio.run(work())


def test_a_fenced_worker_spends_nothing_any_more(store):
    async def work():
        tenant = budget(10**6)
        async with Worker(store) as old:
            await old.hold(tenant, 10)
            await store.open_worker("w0")
            await old.meter.exchange()
            await asyncio.sleep(0.05)
            assert old.meter.counts.fenced
            assert old.meter.try_hold(old.request(tenant, 10)) is None
            with pytest.raises(Unavailable, match="restarted"):
                await old.hold(tenant, 10)

    asyncio.run(work())
