"""The laws of ports/ledger.py for SQLite, PostgreSQL and memory, and of the projector over each."""

import asyncio
from dataclasses import replace

import pytest

from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.adapters.memory.ledger import MemoryLedger
from ninefold.adapters.sql import money_schema
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.ledger import SqlLedger
from ninefold.adapters.sql.migrate import migrate
from ninefold.domain.allowance import WorkerState
from ninefold.domain.cost import Outcome
from ninefold.domain.decision import Decision, Reason, Verdict
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.domain.money import Price
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Budget, Deployment, Tenant
from ninefold.domain.usage import Usage
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.projector import Projector
from ninefold.finops.recorder import JournalRecorder
from ninefold.ports.ledger import AnswerRow, Booking, Cursor, DecisionRow, LedgerLine, RefusalRow
from ninefold.ports.meter import HoldRequest
from ninefold.ports.recorder import AnswerFacts, RequestFacts

NOW = 1_700_000_000.0  # before any file of these tests was written: nothing is too old to keep


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ledger(request, tmp_path):
    if request.param == "memory":
        yield MemoryLedger()
        return
    url = f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = open_database(url)
    migrate(database)
    yield SqlLedger(database)
    database.close()


def line(attempt_id="a1", kind="settle", **changes):
    found = LedgerLine(
        attempt_id=attempt_id, kind=kind, request_id="r1", trace_id="t1", decision_id="d1", tenant="acme", key_id="k", model="fast",
        deployment="eu", operation="chat", product="p", workflow="", environment="", feature="", task="", input_tokens=10,
        output_tokens=5, cached_input_tokens=2, cache_write_tokens=0, reasoning_tokens=1, cost_nanos=10**15, overrun_nanos=0,
        currency="USD", price_version="v1", unpriced=False, estimated=False, outcome="completed", admitted_at=NOW, started_at=NOW,
        ended_at=NOW + 1,
    )  # fmt: skip
    return replace(found, **changes)


CURSOR = Cursor(worker="w", epoch=3, segment=1, offset=100, state=b"\x00\xff", closed=False, revision=0)
DECISION = DecisionRow(decision_id="d1", request_id="r1", trace_id="t1", tenant="acme", key_id="k", model="fast", surface="openai", at=NOW,
                       verdict="deny", reasons=(("rule", "deny", "détail", "c"),), policy_version="v")  # fmt: skip
ANSWER = AnswerRow(request_id="r1", trace_id="t1", tenant="acme", key_id="k", model="fast", surface="openai", at=NOW, deployment="eu",
                   attempts=2, status="200", route="{}", tool_calls="[]", first_token_ms=1.5, duration_ms=2.5, cost_nanos=7)  # fmt: skip
REFUSAL = RefusalRow(
    request_id="r2", trace_id="t1", tenant="acme", key_id="k", model="fast", surface="openai", at=NOW, code="c", detail="d"
)


def test_booking_the_same_rows_again_changes_nothing(ledger):
    async def work():
        booking = Booking(lines=(line(), line(kind="adjust", cost_nanos=-5)), decisions=(DECISION,), answers=(ANSWER,), refusals=(REFUSAL,))
        moved = await ledger.book(booking, CURSOR)
        again = Booking(
            lines=(line(cost_nanos=1),), decisions=(replace(DECISION, verdict="allow"),), answers=(replace(ANSWER, status="500"),)
        )
        await ledger.book(again, moved)
        record = await ledger.trace("t1")
        assert set(record.lines) == set(booking.lines)
        assert (record.decisions, record.answers, record.refusals) == ((DECISION,), (ANSWER,), (REFUSAL,))
        assert await ledger.lines(["a1", "nobody"]) == (line(kind="adjust", cost_nanos=-5), line())
        assert (await ledger.trace("t2")).lines == ()

    asyncio.run(work())


def test_a_cursor_that_somebody_else_has_moved_refuses_and_books_nothing(ledger):
    async def work():
        first = await ledger.book(Booking(), CURSOR)
        assert await ledger.cursors() == (replace(CURSOR, revision=1),)
        second = await ledger.book(Booking(), replace(first, offset=200, closed=True))
        for stale in (first, CURSOR):
            with pytest.raises(Conflict):
                await ledger.book(Booking(lines=(line(),)), replace(stale, offset=300))
        assert await ledger.cursors() == (second,)
        assert await ledger.lines(["a1"]) == ()

    asyncio.run(work())


def test_totals_and_pages_hold_every_line_of_the_span_once(ledger):
    async def work():
        lines = [line(f"a{n}", admitted_at=NOW + n // 3, unpriced=n == 4) for n in range(10)] + [line("a3", kind="adjust", cost_nanos=-1)]
        others = [line("x", tenant="other"), line("y", admitted_at=NOW - 0.001), line("z", admitted_at=NOW + 4)]
        await ledger.book(Booking(lines=tuple(lines + others)), CURSOR)
        total = await ledger.total("acme", NOW, NOW + 4)
        assert (total.lines, total.cost_nanos, total.unpriced) == (11, 10 * 10**15 + 10**15 - 1 - 10**15, 1)
        assert (await ledger.total("nobody", NOW, NOW + 4)).cost_nanos == 0
        pages, after = [], None
        while page := await ledger.statement("acme", NOW, NOW + 4, after=after, limit=3):
            pages += page
            after = (page[-1].admitted_at, page[-1].attempt_id, page[-1].kind)
        key = lambda found: (found.admitted_at, found.attempt_id, found.kind)
        assert [key(found) for found in pages] == sorted(key(found) for found in lines)

    asyncio.run(work())


def test_tables_are_those_the_queries_expect(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        def ours(name, kind, parents):
            return kind != "table" or name in money_schema.metadata.tables

        options = {"compare_type": True, "include_name": ours}
        return compare_metadata(MigrationContext.configure(connection, opts=options), money_schema.metadata)

    assert database.run_now(differences, reading=True) == []


# ── the projector ──

PRICE = Price(version="v1", input_per_million=10**6, output_per_million=10**6, cached_input_per_million=0, cache_write_per_million=0)
EU = Deployment(name="eu", provider="openai", base_url="http://x", model="m", price=PRICE)
TENANT = Tenant(name="acme", budgets=(Budget(budget_id="b", limit_nanos=10_000, window="month"),))
FACTS = RequestFacts(request_id="r1", trace_id="t1", tenant="acme", key_id="k", model="fast", surface="openai", started_at=NOW)


class World:
    """One worker over a real journal, and the projector that reads it."""

    def __init__(self, folder, ledger):
        self.folder, self.ledger = folder, ledger
        self.now = NOW
        self.store = MemoryLeaseStore(clock=self.clock)
        self.reader = JournalReader(folder)

    def clock(self):
        return self.now

    async def start(self, **options):
        opened = await self.store.open_worker("w0", after_epoch=self.reader.highest_epoch("w0"))
        self.journal = JournalWriter(self.folder, "w0", opened.holder.epoch, **options)
        self.meter = LeasedMeter(self.journal, self.store, opened, opened_at=self.now, monotonic=self.clock, wall=self.clock)
        self.running = asyncio.create_task(self.meter.run())

    async def stop(self):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.journal.close()

    def projector(self, **options):
        return Projector(self.reader, self.ledger, self.store, wall=self.clock, **options)

    async def request(self, name, *, settled: bool):
        request = HoldRequest(
            request_id=f"r{name}", trace_id="t1", decision_id="d1", principal=Principal(tenant="acme", key_id="k", key_name="ci"),
            tenant=TENANT, model="fast", operation="chat", attribution=(("product", "shop"), ("task_id", "7")), deployments=(EU,),
            input_tokens_bound=100, output_tokens_bound=50, now=self.now,
        )  # fmt: skip
        hold = self.meter.try_hold(request) or await self.meter.hold(request)
        self.meter.begin(hold, f"a{name}", EU)
        self.journal.commit()
        if settled:
            self.meter.settle(hold, f"a{name}", Usage(input_tokens=20, output_tokens=10), Outcome.COMPLETED)
            self.meter.close(hold)
            self.journal.commit()
        return hold

    async def spent(self):
        (found,) = await self.store.balances("acme")
        return found.spent, found.outstanding, found.suspense


@pytest.fixture
def world(tmp_path, ledger):
    return World(tmp_path / "journal", ledger)


def test_journals_become_lines_decisions_answers_and_refusals(world):
    async def work():
        await world.start()
        recorder = JournalRecorder(world.journal)
        recorder.decided(FACTS, Decision(decision_id="d1", verdict=Verdict.ALLOW, policy_version="p7",
                                         reasons=(Reason(rule="models", verdict=Verdict.ALLOW, detail="ok"),)))  # fmt: skip
        recorder.answered(FACTS, AnswerFacts(deployment="eu", attempts=1, status="200", route='{"strategy":"priority"}', tool_calls="[]",
                                             first_token_ms=1, duration_ms=2, cost_nanos=30))  # fmt: skip
        recorder.refused(FACTS, "policy_denied", "no")
        recorder.commit()
        await recorder.synced()
        await world.request(1, settled=True)
        projector = world.projector()
        assert await projector.step() == 7
        assert await projector.step() == 0
        record = await world.ledger.trace("t1")
        (found,) = record.lines
        assert (found.cost_nanos, found.outcome, found.product, found.task, found.request_id) == (30, "completed", "shop", "7", "r1")
        assert record.decisions[0].reasons == (("models", "allow", "ok", ""),)
        assert record.answers[0].route == '{"strategy":"priority"}'
        assert record.refusals[0].code == "policy_denied"
        await world.stop()

    asyncio.run(work())


def test_attempts_of_the_dead_stand_at_their_hold_and_their_leases_are_settled(world):
    async def work():
        await world.start()
        await world.request(1, settled=True)
        await world.request(2, settled=False)
        projector = world.projector()
        await projector.step()
        assert await world.ledger.lines(["a2"]) == (), "a living worker's attempts are open"
        await world.stop()
        await projector.step()
        (found,) = await world.ledger.lines(["a2"])
        assert (found.outcome, found.cost_nanos, found.estimated) == ("interrupted", 150, True)
        assert await world.spent() == (180, 0, 0)
        assert await world.store.workers() == ()
        report = await projector.replay()
        assert (report.lines, report.missing, report.different) == (2, (), ())

    asyncio.run(work())


@pytest.mark.parametrize("fails_at", range(1, 7))
def test_a_projector_that_is_killed_anywhere_goes_on_where_it_was(world, fails_at):
    class Killed(Exception):
        pass

    async def work():
        await world.start(segment_bytes=400)
        for name in range(6):
            await world.request(name, settled=name % 2 == 0)
        await world.stop()
        calls = 0

        def dying(call):
            async def wrapped(*args):
                nonlocal calls
                calls += 1
                if calls == fails_at:
                    raise Killed
                result = await call(*args)
                calls += 1
                if calls == fails_at:
                    raise Killed
                return result

            return wrapped

        projector = world.projector()
        projector._ledger = type("Dying", (), {"cursors": world.ledger.cursors, "book": staticmethod(dying(world.ledger.book))})()
        with pytest.raises(Killed):
            await projector.step()
        fresh = world.projector()
        await fresh.step()
        lines = await world.ledger.lines([f"a{name}" for name in range(6)])
        assert [found.outcome for found in lines] == ["completed", "interrupted"] * 3
        assert await world.spent() == (3 * 30 + 3 * 150, 0, 0)
        assert (await fresh.replay()).lines == 6

    asyncio.run(work())


def test_what_a_zombie_settles_later_is_an_adjustment(world):
    async def work():
        await world.start()
        hold = await world.request(1, settled=False)
        projector = world.projector()
        world.journal._lock.release()  # as if the lock had been lost while the process was frozen
        await projector.step()
        assert await world.spent() == (150, 0, 0)
        world.meter.settle(hold, "a1", Usage(input_tokens=20, output_tokens=10), Outcome.COMPLETED)
        world.journal.commit()
        await projector.step()
        adjust, settle = await world.ledger.lines(["a1"])
        assert (settle.cost_nanos, adjust.cost_nanos, adjust.outcome) == (150, -120, "completed")
        assert await world.spent() == (30, 0, 0)
        assert (await projector.replay()).different == ()
        await world.stop()

    asyncio.run(work())


def test_a_damaged_journal_is_told_and_stays_charged_until_it_returns(world):
    async def work():
        await world.start()
        await world.request(1, settled=True)
        await world.request(2, settled=True)
        await world.stop()
        (segment,) = world.reader.segments()
        path = world.reader._path(segment)
        sound = path.read_bytes()
        flipped = bytearray(sound)
        flipped[-20] ^= 1
        path.write_bytes(flipped)
        projector = world.projector()
        await projector.step()
        await projector.step()
        assert projector.unreadable.keys() == {("w0", 1)}
        spent, outstanding, suspense = await world.spent()
        assert (spent, outstanding) == (0, suspense)
        assert suspense > 60
        assert (await world.store.workers())[0].state is WorkerState.SUSPENSE
        path.write_bytes(sound)
        await projector.step()
        assert projector.unreadable == {}
        assert await world.spent() == (60, 0, 0)

    asyncio.run(work())


def test_a_lost_journal_keeps_its_leases_charged(world):
    async def work():
        await world.start()
        await world.request(1, settled=False)
        await world.stop()
        world.reader.delete(world.reader.segments()[0])
        await world.projector().step()
        spent, outstanding, suspense = await world.spent()
        assert spent == 0
        assert outstanding == suspense > 0

    asyncio.run(work())


def test_projected_segments_are_kept_for_a_while(world):
    async def work():
        await world.start(segment_bytes=400)
        for name in range(6):
            await world.request(name, settled=True)
        projector = world.projector(keep_s=100)
        world.now = world.reader.segments()[0].modified_at + 50
        await projector.step()
        await projector.step()
        assert len(world.reader.segments()) > 2
        world.now += 1000
        await projector.step()
        assert len(world.reader.segments()) == 1
        await world.stop()
        await projector.step()
        await projector.step()
        assert world.reader.segments() == ()
        assert await projector.step() == 0
        assert len(await world.ledger.lines([f"a{name}" for name in range(6)])) == 6

    asyncio.run(work())


def test_a_store_that_is_down_stops_the_projector_and_loses_nothing(world):
    async def work():
        await world.start()
        await world.request(1, settled=False)
        await world.stop()
        projector = world.projector()
        world.store.down = True
        with pytest.raises(Unavailable):
            await projector.step()
        world.store.down = False
        await projector.step()
        assert await world.spent() == (150, 0, 0)

    asyncio.run(work())
