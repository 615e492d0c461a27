"""Workers lease, hold, settle, crash, come back as zombies and go on: no limit is ever overshot, nothing is settled twice.

Everything runs in virtual time on one event loop, with the real meter, the real rules of leasing and the real projection.
"""

import asyncio
import selectors
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ninefold.adapters.memory.journal import MemoryJournal
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.domain.allowance import Holder, Measure
from ninefold.domain.cost import Outcome
from ninefold.domain.errors import BudgetExceeded, NinefoldError, RateLimited, Unavailable
from ninefold.domain.money import Price
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Budget, Deployment, Limit, Tenant
from ninefold.domain.usage import Usage
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.projection import Joined, bury, join
from ninefold.finops.records import record_decoder
from ninefold.ports.ledger import LedgerLine
from ninefold.ports.meter import Hold, HoldRequest

START = 1_800_000_000.0 - 1_800_000_000.0 % 3600 + 3560
# One nano a token, so that costs are easy to read; the second deployment is dearer.
CHEAP = Price(version="v1", input_per_million=10**6, output_per_million=10**6, cached_input_per_million=0, cache_write_per_million=0)
DEAR = Price(version="v1", input_per_million=2 * 10**6, output_per_million=2 * 10**6, cached_input_per_million=0, cache_write_per_million=0)
PLAN = (
    Deployment(name="cheap", provider="openai", base_url="http://x", model="m", price=CHEAP),
    Deployment(name="dear", provider="openai", base_url="http://x", model="m", price=DEAR),
)
WHO = Principal(tenant="acme", key_id="k", key_name="ci")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when nothing is left to do now."""

    def __init__(self) -> None:
        self.now = 1000.0
        loop = self

        class Jumping(selectors.SelectSelector):
            def select(self, timeout=None):
                assert timeout is not None, "everybody waits for ever"
                loop.now += timeout
                return super().select(0)

        super().__init__(Jumping())

    def time(self) -> float:
        return self.now


@dataclass(eq=False)
class Life:
    meter: LeasedMeter
    journal: MemoryJournal
    holder: Holder
    running: asyncio.Task | None
    state: Joined = field(default_factory=Joined)
    read: int = 0
    reaped: bool = False


@dataclass(eq=False)
class Open:
    life: Life
    hold: Hold
    attempts: list = field(default_factory=list)


class MoneyMachine(RuleBasedStateMachine):
    @initialize(
        hourly=st.sampled_from([100, 400, 1000]),
        total=st.sampled_from([300, 2000, 10**6]),
        requests=st.sampled_from([3, 20, 10**6]),
        tokens=st.sampled_from([200, 3000, 10**9]),
        slots=st.sampled_from([1, 3, 50]),
    )
    def begin(self, hourly, total, requests, tokens, slots):
        self.loop = VirtualLoop()
        self.wall = lambda: START + self.loop.now - 1000.0
        self.store = MemoryLeaseStore(clock=self.wall)
        self.tenant = Tenant(
            name="acme",
            budgets=(Budget(budget_id="h", limit_nanos=hourly, window="hour"), Budget(budget_id="t", limit_nanos=total, window="total")),
            limits=(
                Limit(limit_id="r", measure="requests", amount=requests, period_s=60),
                Limit(limit_id="k", measure="tokens", amount=tokens, period_s=60),
                Limit(limit_id="c", measure="concurrent", amount=slots, period_s=0),
            ),
        )
        self.lives: list[Life] = []
        self.open: list[Open] = []
        self.lines: list[LedgerLine] = []
        self.ids = 0
        for name in ("w0", "w1"):
            self._start(name)

    # ── what happens ──

    @rule(who=st.integers(0, 9), inputs=st.integers(0, 60), outputs=st.integers(1, 60))
    def request(self, who, inputs, outputs):
        life = self._living(who)
        self._admit(life, [(inputs, outputs)])

    @rule(who=st.integers(0, 9), sizes=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=2, max_size=6))
    def burst(self, who, sizes):
        self._admit(self._living(who), sizes)

    @rule(sizes=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=2, max_size=4))
    def burst_at_both(self, sizes):
        living = [life for life in self.lives if life.running]
        self._run(self._all([(life, size) for size in sizes for life in living[:2]]))

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 99), again=st.booleans())
    def attempt(self, which, again):
        one = self.open[which % len(self.open)]
        deployment = PLAN[which % 2]
        self.ids += 1
        attempt_id = f"a{self.ids}"
        try:
            if again or one.attempts:
                self._run(one.life.meter.begin_again(one.hold, attempt_id, deployment))
            else:
                one.life.meter.begin(one.hold, attempt_id, deployment)
        except (BudgetExceeded, RateLimited):
            return
        except Unavailable:
            assert not one.life.running, "a living worker's leases last"
            return
        one.attempts.append(attempt_id)
        one.life.journal.commit()

    @precondition(lambda self: any(one.attempts for one in self.open))
    @rule(which=st.integers(0, 99), share=st.sampled_from([0.0, 0.3, 1.0, 1.0, 2.5]), outcome=st.sampled_from(list(Outcome)[:4]))
    def settle(self, which, share, outcome):
        candidates = [one for one in self.open if one.attempts]
        one = candidates[which % len(candidates)]
        request = one.hold.request
        usage = Usage(input_tokens=int(request.input_tokens_bound * share), output_tokens=int(request.output_tokens_bound * share))
        attempt_id = one.attempts[which % len(one.attempts)]
        first = one.life.meter.settle(one.hold, attempt_id, usage, outcome)
        again = one.life.meter.settle(one.hold, attempt_id, Usage(input_tokens=9999), outcome)
        assert again is first, "a second settle of one attempt changes nothing"
        one.life.journal.commit()

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 99))
    def close(self, which):
        one = self.open.pop(which % len(self.open))
        one.life.meter.close(one.hold)
        one.life.meter.close(one.hold)
        assert one.hold.nanos == 0
        one.life.journal.commit()

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.5, 7.0, 61.0]))
    def time_passes(self, seconds):
        self._run(asyncio.sleep(seconds))

    @rule(name=st.sampled_from(["w0", "w1", "w2"]))
    def restart(self, name):
        self.restart_as(name)

    def restart_as(self, name):
        for life in self.lives:
            if life.holder.worker == name and life.running:
                self._kill(life)
        self._start(name)

    @rule(who=st.integers(0, 9))
    def crash(self, who):
        life = self._living(who)
        self._kill(life)
        self._reap(life)
        self._start(life.holder.worker)

    @rule(who=st.integers(0, 9), reaped=st.booleans())
    def pause(self, who, reaped):
        """The process stops running for longer than its leases last; perhaps it is settled as dead meanwhile."""
        life = self._living(who)
        self._kill(life)
        self._run(asyncio.sleep(40))
        if reaped:
            self._reap(life)
        self.restart_as("w9")

    @precondition(lambda self: any(not life.running for life in self.lives))
    @rule(who=st.integers(0, 99))
    def zombie_wakes(self, who):
        """A paused process goes on: it may finish what it began, and gets nothing new."""
        zombies = [life for life in self.lives if not life.running]
        life = zombies[who % len(zombies)]
        self._run(asyncio.sleep(31))
        assert life.meter.try_hold(self._request(1, 1)) is None, "its leases have ended"
        if life.reaped or any(other.holder.worker == life.holder.worker and other.holder.epoch > life.holder.epoch for other in self.lives):
            self._run(life.meter.exchange())
            try:
                self._run(life.meter.hold(self._request(1, 1)))
            except Unavailable:
                pass
            else:
                raise AssertionError("a fenced worker has spent")
        life.journal.commit()
        if life.reaped:
            self._reap(life)  # what it settled since is a later truth about attempts that stood at their hold

    # ── what always holds ──

    @invariant()
    def nothing_is_overshot(self):
        if not hasattr(self, "store"):
            return
        outstanding: Counter[str] = Counter()
        for (_, account_id), lease in self.store._leases.items():
            assert lease.outstanding >= 0
            outstanding[account_id] += lease.outstanding
        for account_id, row in self.store._accounts.items():
            assert row.outstanding == outstanding[account_id]
            assert row.spent + row.outstanding <= row.account.capacity + row.overrun, row
        for life in self.lives:
            for one in life.meter._slices.values():
                assert one.free >= 0
                assert one.held >= 0, one.account
                lease = self.store._leases.get((life.holder, one.account.account_id))
                if lease is not None and not life.reaped and one.known:
                    assert one.granted <= lease.granted, "nobody uses what was not leased"
        self._judge_settled_and_open()

    def _judge_settled_and_open(self):
        """settled + outstanding - limit, from the callers' side: what attempts cost and what holds still set aside."""
        settled: Counter[str] = Counter()
        overrun: Counter[str] = Counter()
        for life in self.lives:
            for account_id, total in self._spent(life).items():
                settled[account_id] += total
            if not life.reaped:
                for account_id, one in life.meter._slices.items():
                    settled[account_id] += one.held
                    overrun[account_id] += one.overrun
        for account_id, row in self.store._accounts.items():
            if row.account.measure is Measure.NANOS:
                booked = max(row.overrun, 0) + overrun[account_id]
                assert settled[account_id] <= row.account.capacity + booked, (account_id, settled[account_id], row)

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        try:
            self._everything_closes()
        finally:
            for life in self.lives:
                if life.running:
                    self._kill(life)
            self.loop.close()

    def _everything_closes(self):
        for one in self.open:
            one.life.meter.close(one.hold)
            one.life.journal.commit()
        for life in self.lives:
            if life.running:
                self._run(life.meter.give_back_all())
                self._kill(life)
            life.journal.commit()
            self._reap(life)
        keys = Counter((line.attempt_id, line.kind) for line in self.lines)
        assert all(count == 1 for count in keys.values()), "settled twice"
        for account_id, row in self.store._accounts.items():
            assert row.outstanding == 0
            if row.account.measure is Measure.NANOS:
                start, end = row.account.starts_at, row.account.ends_at or float("inf")
                booked = sum(line.cost_nanos for line in self.lines if start <= line.admitted_at < end)
                assert row.spent == booked, f"the ledger equals the account {account_id}"
            if row.account.measure is Measure.CONCURRENT:
                assert row.spent == 0

    # ── how ──

    def _run(self, work):
        async def whole():
            return await work

        return self.loop.run_until_complete(whole())

    def _start(self, name):
        async def start():
            journal = MemoryJournal()
            before = self.loop.time()
            opened = await self.store.open_worker(name)
            meter = LeasedMeter(journal, self.store, opened, opened_at=before, monotonic=self.loop.time, wall=self.wall)
            self.lives.append(Life(meter, journal, opened.holder, asyncio.create_task(meter.run())))

        self._run(start())

    def _living(self, who) -> Life:
        living = [life for life in self.lives if life.running]
        return living[who % len(living)]

    def _kill(self, life: Life) -> None:
        life.running.cancel()
        self._run(asyncio.gather(life.running, return_exceptions=True))
        life.running = None

    def _request(self, inputs, outputs) -> HoldRequest:
        self.ids += 1
        return HoldRequest(
            request_id=f"r{self.ids}", trace_id="t", decision_id="d", principal=WHO, tenant=self.tenant, model="fast", operation="chat",
            attribution=(), deployments=PLAN, input_tokens_bound=inputs, output_tokens_bound=outputs, now=self.wall(),
        )  # fmt: skip

    def _admit(self, life, sizes):
        self._run(self._all([(life, size) for size in sizes]))

    async def _all(self, wishes):
        async def one(life, size):
            request = self._request(*size)
            try:
                hold = life.meter.try_hold(request) or await life.meter.hold(request)
            except (BudgetExceeded, RateLimited):
                return
            except NinefoldError as error:
                raise AssertionError(f"a living worker's store answers: {error}") from error
            self.open.append(Open(life, hold))

        await asyncio.gather(*(one(life, size) for life, size in wishes))

    def _read(self, life: Life) -> None:
        decoder = record_decoder()
        payloads = life.journal.committed[life.read :]
        life.read = len(life.journal.committed)
        self.lines += join(life.state, [decoder.decode(payload) for payload in payloads]).lines

    def _spent(self, life: Life) -> dict[str, int]:
        self._read(life)
        return life.state.spent

    def _reap(self, life: Life) -> None:
        self._read(life)
        self.lines += bury(life.state)
        life.reaped = True
        self._run(self.store.reap(life.holder, life.state.spent))


TestMoney = MoneyMachine.TestCase
TestMoney.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
