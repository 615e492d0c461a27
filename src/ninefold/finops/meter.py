"""Hard budgets and limits, held from leases in this worker's memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.allowance import Refusal
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.errors import Internal, NinefoldError, Unavailable
from ninefold.domain.snapshot import Deployment, Tenant
from ninefold.domain.usage import Usage
from ninefold.finops.exchange import forget, learn, plan_exchange
from ninefold.finops.holds import HoldState, OpenAttempt, actual_use, worst_case
from ninefold.finops.records import Closed, Held, Intended, Settled
from ninefold.finops.refusals import refusal_error
from ninefold.finops.slices import Amounts, Books, Line, Slice, Waiter, covers, open_books, put_back, take
from ninefold.ports.journal import Journal
from ninefold.ports.lease_store import Fenced, LeaseStore, Opened
from ninefold.ports.meter import Hold, HoldRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTimes:
    """Seconds. `wait_s` is the longest a request waits in line; `poll_s` the time between two looks for recalls; `report_s` between
    two reports to the store; `retry_s` between two asks while somebody waits; `review_s` between two looks at idle slices."""

    wait_s: float = 2.0
    poll_s: float = 0.2
    report_s: float = 1.0
    retry_s: float = 0.05
    review_s: float = 2.0
    gap_s: float = 0.005


@dataclass(slots=True, kw_only=True)
class MeterCounts:
    """What deserves an alarm, since the worker began."""

    overrun_nanos: int = 0
    above_hold: int = 0
    unpriced: int = 0
    store_failures: int = 0
    fenced: bool = False


class LeasedMeter:
    """Implements `ninefold.ports.meter.Meter`. `run` belongs to a supervised group of the worker that owns the meter.

    `try_hold` over five accounts costs about 4 µs, its journal frame included. `opened_at` is the monotonic time from before the
    worker's epoch was opened: its leases end `opened.remaining_s` after that unless the store is reached again.
    """

    def __init__(
        self,
        journal: Journal,
        store: LeaseStore,
        opened: Opened,
        *,
        opened_at: float,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        times: MeterTimes | None = None,
    ) -> None:
        self.counts = MeterCounts()
        self.holder = opened.holder
        self._append = journal.append
        self._store = store
        self._usable_until = opened_at + opened.remaining_s
        self._monotonic, self._wall = monotonic, wall
        self._times = times or MeterTimes()
        self._books: dict[str, Books] = {}
        self._slices: dict[str, Slice] = {}
        self._lines: dict[str, Line] = {}
        self._open: set[HoldState] = set()
        self._concerned: set[Slice] = set()
        self._wake = asyncio.Event()
        self._reported_at = self._reviewed_at = self._polled_at = opened_at
        self._store_error: Unavailable | None = None
        self._last_refusal: dict[str, tuple[Refusal, float]] = {}

    # ── holding ──

    def try_hold(self, request: HoldRequest) -> Hold | None:
        books = self._books.get(request.tenant.name)
        if books is None or books.tenant is not request.tenant or not books.since <= request.now < books.until:
            books = self._open_books(request.tenant, request.now)
        needs = _needs(request)
        slices = books.slices
        if slices:
            if books.line or self._monotonic() >= self._usable_until:
                return None
            # `take`, spelt out: this is the path of every request.
            for one in slices:
                if one.free < needs[one.code]:
                    return None
            for one in slices:
                free = one.free = one.free - needs[one.code]
                if free < one.low and one not in self._concerned:
                    self._concerned.add(one)
                    self._wake.set()
        return self._held(request, books, needs)

    async def hold(self, request: HoldRequest) -> Hold:
        held = self.try_hold(request)
        if held is not None:
            return held
        self._check_fence()
        books, needs = self._books[request.tenant.name], _needs(request)
        waiter = self._waiter(books.slices, needs)
        books.line.append(waiter)
        await self._served(waiter, books.line)
        return self._held(request, books, needs)

    def begin(self, hold: Hold, attempt_id: str, deployment: Deployment) -> None:
        state, request = _state(hold), hold.request
        if request.deployments == (deployment,) and not state.counted:
            nanos, _, tokens, inputs, outputs, _ = state.held  # what is held is the worst of its deployments: of this one
            worst = (nanos, 0, tokens, inputs, outputs, 0)
        else:
            worst = worst_case(deployment, request.input_tokens_bound, request.output_tokens_bound)
        self._begin(state, hold, attempt_id, deployment, worst)

    async def begin_again(self, hold: Hold, attempt_id: str, deployment: Deployment) -> None:
        state, request = _state(hold), hold.request
        worst = worst_case(deployment, request.input_tokens_bound, request.output_tokens_bound)
        missing = state.missing(worst)
        if any(missing) and state.slices:
            usable = self._monotonic() < self._usable_until
            if state.line or not usable or not take(state.slices, missing):
                waiter = self._waiter(state.slices, missing)
                state.line.appendleft(waiter)  # it holds already: whoever waits for that must not stand before it
                await self._served(waiter, state.line)
            if state.closed:
                put_back(state.slices, missing)
                raise Internal("an attempt was begun after its hold was closed")
        state.grow(missing)
        hold.nanos = state.held[0]
        self._begin(state, hold, attempt_id, deployment, worst)

    # ── settling ──

    def settle(self, hold: Hold, attempt_id: str, usage: Usage, outcome: Outcome) -> CostLine:
        state = _state(hold)
        line = state.lines.get(attempt_id)
        if line is not None:
            return line
        attempt = state.attempts.pop(attempt_id, None)
        if attempt is None:
            raise Internal("an attempt was settled that was never begun")
        price = attempt.deployment.price
        cost = 0 if price is None or usage.unmetered else price.cost_nanos(usage)
        return self._settle(state, hold, attempt_id, attempt, usage, outcome, cost)

    def close(self, hold: Hold) -> None:
        state = _state(hold)
        if state.closed:
            return
        state.closed = True
        request = hold.request
        for attempt_id, attempt in list(state.attempts.items()) if state.attempts else ():
            # Nobody said what it used: it counts as its worst case, which is the only safe answer.
            del state.attempts[attempt_id]
            usage = Usage(input_tokens=request.input_tokens_bound, output_tokens=request.output_tokens_bound, estimated=True)
            self._settle(state, hold, attempt_id, attempt, usage, Outcome.INTERRUPTED, attempt.worst[0])
        put_back(state.slices, state.held)
        state.held = [0] * 6
        hold.nanos = 0
        self._open.discard(state)
        self._append(Closed(request.request_id, self._wall()))
        if state.line:
            self._serve(state.line)

    # ── the store ──

    async def run(self) -> None:
        """Renews slices, answers recalls and serves the line, until it is cancelled. Never ends by itself."""
        while True:
            waiting = any(self._lines.values())
            try:
                async with asyncio.timeout(self._times.retry_s if waiting else self._times.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                pass  # a tick
            self._wake.clear()
            await self.exchange()
            await asyncio.sleep(self._times.gap_s)

    async def exchange(self) -> None:
        """Whatever is due was said to the store, and its answers are in force. A store that is down is counted, not raised."""
        if self.counts.fenced:
            return
        before = self._monotonic()
        try:
            if before - self._polled_at >= self._times.poll_s:
                self._polled_at = before
                await self._poll(before)
            await self._speak(before)
            self._store_error = None
        except Fenced as error:
            self.counts.fenced = True
            self._usable_until = float("-inf")
            self._store_error = error
            for line in self._lines.values():
                _refuse_all(line, error)
        except Unavailable as error:
            self.counts.store_failures += 1
            self._store_error = error

    async def give_back_all(self) -> None:
        """Everything that is not held is the store's again: call it once no more requests are taken. Raises: Unavailable."""
        for one in self._slices.values():
            one.give_back(one.free)
            one.low = one.target = 0
        exchange = plan_exchange(self._slices.values(), (), self._wall())
        if exchange.reports:
            learn(exchange, await self._store.give_back(self.holder, exchange.reports), self._slices)

    async def _poll(self, before: float) -> None:
        recalls = await self._store.recalls(self.holder)
        self._usable_until = before + recalls.remaining_s
        for account_id, sequence in recalls.accounts:
            one = self._slices.get(account_id)
            if one is not None:
                one.recall_due = max(one.recall_due, sequence)
                self._concerned.add(one)
        self._concerned.update(one for one in self._slices.values() if one.tight and one.free)

    async def _speak(self, before: float) -> None:
        concerned = self._concerned
        self._concerned = set()
        if before - self._reviewed_at >= self._times.review_s:
            self._reviewed_at = before
            self._review()
        if before - self._reported_at >= self._times.report_s:
            self._reported_at = before
            concerned |= set(self._slices.values())
        exchange = plan_exchange(concerned, self._lines.values(), self._wall())
        if exchange.empty:
            return
        try:
            reply = await self._store.grant(self.holder, exchange.reports, exchange.asks)
        except Unavailable:
            forget(exchange)
            raise
        self._usable_until = before + reply.remaining_s
        for waiter, refusal in learn(exchange, reply, self._slices):
            waiter.refusal = refusal
            self._last_refusal[refusal.account.tenant] = refusal, before
            # Money in flight is worth a short wait, since a budget that is exhausted stays so; a limit is back soon anyway.
            wait = refusal.recalling or (refusal.may_return and refusal.account.window)
            if not (wait or waiter.served.done() or covers(waiter.slices, waiter.needs)):
                waiter.served.set_exception(_error(refusal, waiter))
        for line in self._lines.values():
            self._serve(line)

    def _review(self) -> None:
        now = self._wall()
        for name, books in list(self._books.items()):
            if books.until <= now:
                del self._books[name]
        needed = {one for books in self._books.values() for one in books.slices}
        needed.update(one for state in self._open for one in state.slices)
        needed.update(one for line in self._lines.values() for waiter in line for one in waiter.slices)
        for account_id, one in list(self._slices.items()):
            one.review()
            if one not in needed:
                one.give_back(one.free)
                if one.totals() == one.reported:
                    del self._slices[account_id]

    # ── inside ──

    def _open_books(self, tenant: Tenant, now: float) -> Books:
        line = self._lines.get(tenant.name)
        if line is None:
            line = self._lines[tenant.name] = deque()
        books = self._books[tenant.name] = open_books(tenant, now, self._slices, line)
        self._concerned.update(one for one in books.slices if one.totals() != one.reported)
        return books

    def _held(self, request: HoldRequest, books: Books, needs: Amounts) -> Hold:
        record = Held(
            request.request_id,
            request.trace_id,
            request.decision_id,
            request.tenant.name,
            request.principal.key_id,
            request.model,
            request.operation,
            request.attribution,
            request.now,
            needs[0],
            books.accounts,
        )
        try:
            self._append(record)
        except Unavailable:
            put_back(books.slices, needs)
            raise
        state = HoldState(books.slices, list(needs), books.line)
        self._open.add(state)
        return Hold(request=request, nanos=needs[0], state=state)

    def _begin(self, state: HoldState, hold: Hold, attempt_id: str, deployment: Deployment, worst: Amounts) -> None:
        if state.closed or attempt_id in state.attempts or attempt_id in state.lines:
            raise Internal("an attempt was begun twice, or after its hold was closed")
        if state.slices and self._monotonic() >= self._usable_until:
            self._check_fence()
            raise Unavailable("the lease of this tenant's budgets has ended and could not be renewed", retry_after_s=1)
        price = deployment.price
        state.begin(attempt_id, OpenAttempt(deployment, worst))
        record = Intended(
            attempt_id,
            hold.request.request_id,
            deployment.name,
            self._wall(),
            worst[0],
            worst[3],
            worst[4],
            "" if price is None else price.version,
            price is None,
            "USD" if price is None else price.currency,
        )
        self._append(record)

    def _settle(
        self, state: HoldState, hold: Hold, attempt_id: str, attempt: OpenAttempt, usage: Usage, outcome: Outcome, cost: int
    ) -> CostLine:
        price = attempt.deployment.price
        above = cost - attempt.worst[0]
        if above > 0:
            self.counts.above_hold += 1
        self.counts.overrun_nanos += state.spend(actual_use(cost, usage))
        unpriced = price is None or (usage.unmetered and price.worst_case_nanos(1, 1) > 0)
        self.counts.unpriced += unpriced
        line = CostLine(
            attempt_id=attempt_id,
            deployment=attempt.deployment.name,
            usage=usage,
            cost_nanos=cost,
            outcome=outcome,
            price_version="" if price is None else price.version,
            unpriced=unpriced,
            overrun_nanos=max(above, 0),
        )
        state.lines[attempt_id] = line
        hold.nanos = state.held[0]
        record = Settled(
            attempt_id,
            hold.request.request_id,
            self._wall(),
            outcome.value,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            usage.estimated,
            cost,
            line.overrun_nanos,
            unpriced,
        )
        self._append(record)
        return line

    def _check_fence(self) -> None:
        if self.counts.fenced:
            raise Fenced("this worker's leases were taken back while it did not run: it has to be restarted", retry_after_s=1)

    def _waiter(self, slices: tuple[Slice, ...], needs: Amounts) -> Waiter:
        self._wake.set()
        served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return Waiter(slices=slices, needs=needs, served=served, first_until=self._monotonic() + self._times.wait_s / 2)

    async def _served(self, waiter: Waiter, line: Line) -> None:
        """`waiter.needs` were taken. Raises: BudgetExceeded, RateLimited, Unavailable."""
        try:
            async with asyncio.timeout(self._times.wait_s):
                await waiter.served
        except TimeoutError:
            if waiter.served.done() and not waiter.served.cancelled():
                return waiter.served.result()  # served in the very moment in which the time ran out
            refusal = waiter.refusal or self._refusal_of_others(waiter)
            if refusal is not None:
                raise _error(refusal, waiter) from None
            detail = "no room could be leased in time: the store of budgets does not answer"
            raise Unavailable(detail, retry_after_s=1) from self._store_error
        except asyncio.CancelledError:
            if waiter.served.done() and not waiter.served.cancelled() and waiter.served.exception() is None:
                put_back(waiter.slices, waiter.needs)
            raise
        finally:
            if waiter in line:
                line.remove(waiter)
            self._serve(line)

    def _refusal_of_others(self, waiter: Waiter) -> Refusal | None:
        """What the store told others of this tenant since `waiter` came: in a long line not everybody comes to be asked for in time."""
        refusal, at = self._last_refusal.get(waiter.slices[0].account.tenant, (None, 0.0))
        if refusal is None or at < waiter.first_until - self._times.wait_s / 2:
            return None
        return refusal if any(one.account.account_id == refusal.account.account_id for one in waiter.slices) else None

    def _serve(self, line: Line) -> None:
        now = self._monotonic()
        if now >= self._usable_until:
            return
        for waiter in tuple(line):
            if waiter.served.done():
                line.remove(waiter)
            elif take(waiter.slices, waiter.needs):
                waiter.served.set_result(None)
                line.remove(waiter)
            elif waiter.refusal is None or (waiter.refusal.recalling and now < waiter.first_until):
                return


def _needs(request: HoldRequest) -> Amounts:
    inputs, outputs = request.input_tokens_bound, request.output_tokens_bound
    nanos = 0
    for deployment in request.deployments:
        price = deployment.price
        if price is not None:
            worst = price.worst_case_nanos(inputs, outputs)
            nanos = max(worst, nanos)
    return nanos, 1, inputs + outputs, inputs, outputs, 1


def _state(hold: Hold) -> HoldState:
    assert isinstance(hold.state, HoldState)
    return hold.state


def _error(refusal: Refusal, waiter: Waiter) -> NinefoldError:
    need = next(waiter.needs[one.code] for one in waiter.slices if one.account.account_id == refusal.account.account_id)
    return refusal_error(refusal, need)


def _refuse_all(line: Line, error: Unavailable) -> None:
    for waiter in line:
        if not waiter.served.done():
            waiter.served.set_exception(error)
