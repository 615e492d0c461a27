"""The laws of ports/lease_store.py, for SQLite, PostgreSQL and memory."""

import asyncio
from dataclasses import replace

import pytest

from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.migrate import migrate
from ninefold.domain.allowance import Account, Ask, AskItem, Measure, Report, WorkerState
from ninefold.domain.lending import TIGHT_FOR_S
from ninefold.ports.lease_store import Fenced


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, clock, tmp_path):
    if request.param == "memory":
        yield MemoryLeaseStore(clock=clock)
        return
    url = f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = open_database(url)
    migrate(database)
    yield SqlLeaseStore(database, clock=clock)
    database.close()


BUDGET = Account(account_id="b/1/hour/1800000000", tenant="acme", source_id="b1", measure=Measure.NANOS, capacity=1000, window="hour",
                 starts_at=1_800_000_000, ends_at=1_800_003_600)  # fmt: skip
RATE = Account(account_id="l/r/requests/60", tenant="acme", source_id="r", measure=Measure.REQUESTS, capacity=60, period_s=60)
SLOTS = Account(account_id="l/c/concurrent/0", tenant="acme", source_id="c", measure=Measure.CONCURRENT, capacity=2)


def ask(*items, recall=False):
    return Ask(items=tuple(AskItem(account=account, minimum=minimum, wanted=minimum) for account, minimum in items), recall=recall)


def report(account, spent=0, returned=0, overrun=0, recall_seen=0):
    return Report(account_id=account.account_id, spent=spent, returned=returned, overrun=overrun, recall_seen=recall_seen)


async def balance_of(store, account):
    (found,) = [balance for balance in await store.balances("acme") if balance.account.account_id == account.account_id]
    return found


def run(work):
    return asyncio.run(work)


def test_exactly_what_is_left_is_granted_and_one_more_is_refused(store):
    async def work():
        holder = (await store.open_worker("w")).holder
        reply = await store.grant(holder, (), (ask((BUDGET, 600)), ask((BUDGET, 401)), ask((BUDGET, 400)), ask((BUDGET, 1))))
        assert [refusal is None for refusal in reply.refusals] == [True, False, True, False]
        assert reply.leases[0].granted == 1000
        refused = reply.refusals[1]
        assert (refused.account.account_id, refused.left, refused.recalling, refused.may_return) == (BUDGET.account_id, 400, False, True)
        assert refused.retry_after_s == 3600
        assert (await balance_of(store, BUDGET)).left == 0

    run(work())


def test_an_ask_is_granted_whole_or_not_at_all(store):
    async def work():
        holder = (await store.open_worker("w")).holder
        reply = await store.grant(holder, (), (ask((BUDGET, 10), (SLOTS, 3), (RATE, 1)), ask((BUDGET, 10), (SLOTS, 2), (RATE, 1))))
        assert reply.refusals[0].account.account_id == SLOTS.account_id
        assert reply.refusals[1] is None
        assert {lent.account_id: lent.granted for lent in reply.leases} == {
            BUDGET.account_id: 10, SLOTS.account_id: 2, RATE.account_id: 1,
        }  # fmt: skip

    run(work())


def test_wishes_are_met_by_halves_and_a_minimum_of_nothing_is_never_refused(store):
    async def work():
        one, two = (await store.open_worker("w1")).holder, (await store.open_worker("w2")).holder
        wish = Ask(items=(AskItem(account=BUDGET, minimum=10, wanted=900),))
        assert (await store.grant(one, (), (wish,))).leases[0].granted == 250
        assert (await store.grant(two, (), (wish,))).leases[0].granted == 187
        await store.grant(one, (), (ask((BUDGET, 563)),))
        top_up = Ask(items=(AskItem(account=BUDGET, minimum=0, wanted=900),))
        assert (await store.grant(two, (), (top_up,))).refusals == (None,)

    run(work())


def test_reports_are_totals_so_that_repeating_one_changes_nothing(store):
    async def work():
        holder = (await store.open_worker("w")).holder
        await store.grant(holder, (), (ask((BUDGET, 500)),))
        for _ in range(2):
            lent = (await store.give_back(holder, (report(BUDGET, spent=120, returned=80),))).leases[0]
            assert (lent.granted, lent.spent, lent.returned) == (500, 120, 80)
        await store.give_back(holder, (report(BUDGET, spent=50, returned=20),))
        found = await balance_of(store, BUDGET)
        assert (found.spent, found.outstanding, found.left) == (120, 300, 580)

    run(work())


def test_what_was_spent_beyond_a_lease_is_booked_on_top(store):
    async def work():
        holder = (await store.open_worker("w")).holder
        await store.grant(holder, (), (ask((BUDGET, 1000)),))
        await store.give_back(holder, (report(BUDGET, spent=1300, overrun=300),))
        found = await balance_of(store, BUDGET)
        assert (found.spent, found.outstanding, found.overrun, found.left) == (1300, 0, 300, -300)
        assert (await store.grant(holder, (), (ask((BUDGET, 1)),))).refusals[0].may_return is False

    run(work())


def test_recalls_reach_the_others_and_their_answers_are_known(store, clock):
    async def work():
        one, two = (await store.open_worker("w1")).holder, (await store.open_worker("w2")).holder
        await store.grant(one, (), (ask((BUDGET, 700)),))
        first = (await store.grant(two, (), (ask((BUDGET, 500), recall=True),))).refusals[0]
        assert (first.left, first.recalling, first.may_return) == (300, True, True)
        assert (await store.recalls(two)).accounts == ()
        ((account_id, sequence),) = (await store.recalls(one)).accounts
        assert account_id == BUDGET.account_id
        lent = (await store.give_back(one, (report(BUDGET, spent=100, returned=300, recall_seen=sequence),))).leases[0]
        assert lent.tight
        assert (await store.recalls(one)).accounts == ()
        wish = Ask(items=(AskItem(account=BUDGET, minimum=500, wanted=600),))
        reply = await store.grant(two, (), (wish,))
        assert (reply.refusals, reply.leases[0].granted) == ((None,), 500), "exact while it is tight"
        late = (await store.grant(two, (), (ask((BUDGET, 101)),))).refusals[0]
        assert (late.left, late.recalling) == (100, False), "everybody has answered"
        never = (
            await store.grant(two, (), (Ask(items=(AskItem(account=BUDGET, minimum=101, wanted=101, whole=901),), recall=True),))
        ).refusals[0]
        assert (never.recalling, never.may_return) == (False, False), "100 are spent: 901 can never fit"
        clock.now += TIGHT_FOR_S
        assert not (await store.give_back(one, (report(BUDGET, spent=100, returned=300, recall_seen=sequence),))).leases[0].tight

    run(work())


def test_a_bucket_refills_and_says_when(store, clock):
    async def work():
        holder = (await store.open_worker("w")).holder
        await store.grant(holder, (), (ask((RATE, 60)),))
        await store.give_back(holder, (report(RATE, spent=60),))
        refused = (await store.grant(holder, (), (ask((RATE, 3)),))).refusals[0]
        assert refused.retry_after_s == 3.0
        clock.now += 2.999
        assert (await store.grant(holder, (), (ask((RATE, 3)),))).refusals[0] is not None
        clock.now += 0.001
        assert (await store.grant(holder, (), (ask((RATE, 3)),))).refusals == (None,)
        clock.now += 3600
        found = await balance_of(store, RATE)
        assert (found.spent, found.outstanding, found.left) == (0, 3, 57), "what is leased does not refill, and nothing is saved up"
        never = (await store.grant(holder, (), (ask((RATE, 61)),))).refusals[0]
        assert never.retry_after_s is None

    run(work())


def test_a_limit_may_change_while_it_is_used(store):
    async def work():
        holder = (await store.open_worker("w")).holder
        await store.grant(holder, (), (ask((BUDGET, 900)),))
        lower = replace(BUDGET, capacity=500)
        assert (await store.grant(holder, (), (ask((lower, 1)),))).refusals[0].left == 0
        assert (await balance_of(store, BUDGET)).left == -400
        assert (await store.grant(holder, (), (ask((replace(BUDGET, capacity=2000), 1100)),))).refusals == (None,)

    run(work())


def test_a_new_epoch_fences_the_old_one(store):
    async def work():
        old = await store.open_worker("w")
        await store.grant(old.holder, (), (ask((BUDGET, 400)),))
        new = await store.open_worker("w")
        assert new.holder.epoch > old.holder.epoch
        assert (await store.open_worker("other", after_epoch=41)).holder.epoch == 42
        for call in (store.recalls(old.holder), store.give_back(old.holder, (report(BUDGET, returned=400),)),
                     store.grant(old.holder, (), (ask((BUDGET, 1)),))):  # fmt: skip
            with pytest.raises(Fenced):
                await call
        assert (await balance_of(store, BUDGET)).outstanding == 400, "nothing is leased again before death is proved"
        assert [(row.holder, row.state) for row in await store.workers()][1:] == [
            (old.holder, WorkerState.FENCED), (new.holder, WorkerState.LIVE),
        ]  # fmt: skip

    run(work())


def test_the_dead_are_settled_at_what_their_journal_says(store):
    async def work():
        dead = (await store.open_worker("w")).holder
        await store.grant(dead, (), (ask((BUDGET, 400), (SLOTS, 2)),))
        await store.give_back(dead, (report(BUDGET, spent=50),))
        for _ in range(2):
            await store.reap(dead, {BUDGET.account_id: 150, "unknown": 9})
            found = await balance_of(store, BUDGET)
            assert (found.spent, found.outstanding, found.overrun) == (150, 0, 0)
        assert (await balance_of(store, SLOTS)).left == 2
        assert await store.workers() == ()
        with pytest.raises(Fenced):
            await store.recalls(dead)
        await store.reap(dead, {BUDGET.account_id: 90})
        assert (await balance_of(store, BUDGET)).spent == 90, "a later truth"
        await store.reap(dead, {BUDGET.account_id: 450})
        found = await balance_of(store, BUDGET)
        assert (found.spent, found.outstanding, found.overrun) == (450, 0, 360), "what was given back may have gone to others"

    run(work())


def test_an_unreadable_journal_keeps_everything_charged(store):
    async def work():
        dead, other = (await store.open_worker("w")).holder, (await store.open_worker("x")).holder
        await store.grant(dead, (), (ask((BUDGET, 400)),))
        await store.reap(dead, None)
        found = await balance_of(store, BUDGET)
        assert (found.outstanding, found.suspense, found.left) == (400, 400, 600)
        refused = (await store.grant(other, (), (ask((BUDGET, 700), recall=True),))).refusals[0]
        assert not refused.recalling, "the dead answer no recalls"
        await store.reap(dead, {BUDGET.account_id: 30})
        found = await balance_of(store, BUDGET)
        assert (found.spent, found.suspense, found.left) == (30, 0, 970)

    run(work())


def test_leases_last_as_long_as_the_holder_is_in_contact(store, clock):
    async def work():
        opened = await store.open_worker("w")
        assert opened.remaining_s == 30
        for _ in range(50):
            clock.now += 5
            assert (await store.recalls(opened.holder)).remaining_s >= 20
        (row,) = await store.workers()
        assert row.expires_at >= clock.now + 20, "what the holder was told, the store remembers"

    run(work())


def test_two_processes_never_lease_more_than_there_is(database, database_url, clock):
    """Real concurrency: two connections ask for single units of several accounts in opposite orders."""
    databases = [open_database(database_url) for _ in range(2)]

    async def work():
        stores = [SqlLeaseStore(database, clock=clock) for database in databases]
        holders = [(await store.open_worker(f"w{n}")).holder for n, store in enumerate(stores)]
        granted = 0

        async def spend(store, holder, accounts):
            nonlocal granted
            for _ in range(20):
                reply = await store.grant(holder, (), (ask(*((account, 40) for account in accounts)),))
                granted += reply.refusals == (None,)

        other = Account(account_id="a/first", tenant="acme", source_id="o", measure=Measure.NANOS, capacity=10**9)
        await asyncio.gather(spend(stores[0], holders[0], (BUDGET, other)), spend(stores[1], holders[1], (other, BUDGET)))
        assert granted == 25
        assert (await balance_of(stores[0], BUDGET)).left == 0

    try:
        run(work())
    finally:
        for opened in databases:
            opened.close()
