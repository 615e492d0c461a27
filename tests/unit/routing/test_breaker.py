"""When a deployment rests, and when it is tried again."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ninefold.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NinefoldError,
    PolicyDenied,
    RateLimited,
    Unavailable,
    Unsupported,
    UpstreamRejected,
)
from ninefold.domain.snapshot import BreakerRules
from ninefold.routing.breaker import MAX_RETRY_AFTER_S, Breaker, Breakers

DOWN = Unavailable("down")
MAX_COOL_DOWN_S = BreakerRules().max_cool_down_s


def tripped(now: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(DOWN, now)
    return breaker


def test_the_fifth_failure_in_a_row_opens():
    breaker = Breaker()
    told = [breaker.failed(DOWN, 100.0 + n) for n in range(5)]
    assert told == [False, False, False, False, True]
    assert breaker.is_open(104.0)
    assert breaker.open_until == 109.0


def test_a_success_between_failures_starts_the_count_anew():
    breaker = Breaker()
    for n in range(4):
        breaker.failed(DOWN, 100.0 + n * 20)
    breaker.succeeded(170.0)
    for n in range(4):
        breaker.failed(DOWN, 200.0 + n * 20)
    assert not breaker.is_open(270.0)


def test_half_of_ten_attempts_in_ten_seconds_opens():
    breaker = Breaker()
    for n in range(4):
        breaker.succeeded(100.0 + n)
        breaker.failed(DOWN, 100.0 + n)
    breaker.succeeded(105.0)
    assert not breaker.is_open(105.0)
    assert breaker.failed(DOWN, 105.0)


def test_less_than_half_does_not_open():
    breaker = Breaker()
    for n in range(40):
        breaker.succeeded(100.0 + n / 10)
        breaker.succeeded(100.0 + n / 10)
        assert not breaker.failed(DOWN, 100.0 + n / 10)


def test_what_is_older_than_ten_seconds_does_not_count():
    breaker = Breaker()
    for n in range(4):
        breaker.succeeded(100.0 + n)
        breaker.failed(DOWN, 100.0 + n)
    breaker.succeeded(114.0)
    assert not breaker.failed(DOWN, 114.0)


@pytest.mark.parametrize("error", [DOWN, DeadlineExceeded("x"), RateLimited("x"), UpstreamRejected("x")])
def test_faults_of_the_deployment_count(error: NinefoldError):
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(error, 1.0)
    assert breaker.is_open(1.0)


@pytest.mark.parametrize("error", [InvalidRequest("x", retry_after_s=5.0), Unsupported("x"), PolicyDenied("x")])
def test_faults_of_the_request_do_not(error: NinefoldError):
    breaker = Breaker()
    for _ in range(20):
        assert not breaker.failed(error, 1.0)
    assert not breaker.is_open(1.0)


def test_after_the_cool_down_one_probe_goes_through():
    breaker = tripped(100.0)
    assert breaker.is_open(104.9)
    assert not breaker.is_open(105.0)
    breaker.started(105.0)
    assert breaker.is_open(105.0)
    assert breaker.succeeded(106.0)
    assert not breaker.is_open(106.0)


def test_a_probe_that_fails_doubles_the_cool_down_up_to_a_minute():
    breaker = tripped(100.0)
    rests: list[float] = []
    for _ in range(6):
        now = breaker.open_until
        breaker.started(now)
        assert breaker.failed(DOWN, now)
        rests.append(breaker.open_until - now)
    assert rests == [10.0, 20.0, 40.0, MAX_COOL_DOWN_S, MAX_COOL_DOWN_S, MAX_COOL_DOWN_S]


def test_after_closing_the_cool_down_begins_anew():
    breaker = tripped(100.0)
    breaker.started(105.0)
    breaker.failed(DOWN, 105.0)
    breaker.started(115.0)
    breaker.succeeded(115.0)
    for _ in range(5):
        breaker.failed(DOWN, 116.0)
    assert breaker.open_until == 121.0


def test_a_probe_whose_caller_hung_up_does_not_block_for_ever():
    breaker = tripped(100.0)
    breaker.started(105.0)
    assert breaker.is_open(109.9)
    assert not breaker.is_open(110.0)


def test_an_attempt_from_before_the_trip_proves_nothing():
    breaker = tripped(100.0)
    assert not breaker.succeeded(101.0)
    assert breaker.is_open(101.0)
    assert not breaker.failed(DOWN, 102.0)
    assert breaker.open_until == 105.0


def test_an_attempt_made_because_all_were_open_closes():
    breaker = tripped(100.0)
    breaker.started(101.0)
    assert breaker.succeeded(102.0)
    assert not breaker.is_open(102.0)


def test_retry_after_sets_the_cool_down_at_the_first_failure():
    breaker = Breaker()
    assert breaker.failed(RateLimited("x", retry_after_s=30.0), 100.0)
    assert breaker.is_open(129.9)
    assert not breaker.is_open(130.0)


def test_retry_after_is_bounded():
    breaker = Breaker()
    breaker.failed(RateLimited("x", retry_after_s=86_400.0), 100.0)
    assert breaker.open_until == 100.0 + MAX_RETRY_AFTER_S


def test_states_of_other_workers_are_merged():
    here, elsewhere = Breakers(), Breakers()
    for _ in range(5):
        elsewhere.failed("d", DOWN, 100.0)
    for name, until in elsewhere.open_until(100.0).items():
        here.merge(name, until, 100.0)
    assert here.resting(104.0) == {"d"}
    assert here.resting(105.0) == frozenset()
    here.merge("d", 90.0, 100.0)
    assert here.resting(104.0) == {"d"}
    here.closed_elsewhere("d")
    assert here.resting(104.0) == frozenset()


def test_breakers_are_one_a_deployment():
    breakers = Breakers()
    for _ in range(5):
        breakers.failed("a", DOWN, 100.0)
        breakers.failed("b", InvalidRequest("x"), 100.0)
        breakers.succeeded("c", 100.0)
    assert breakers.resting(100.0) == {"a"}
    breakers.started("a", 105.0)
    assert breakers.resting(105.0) == {"a"}
    assert breakers.succeeded("a", 106.0)
    assert breakers.resting(106.0) == frozenset()
    assert breakers.open_until(106.0) == {}


class BreakerLife(RuleBasedStateMachine):
    """Whatever happens: rests are bounded, a rested deployment gets a probe, and a breaker that never saw a fault stays closed."""

    def __init__(self) -> None:
        super().__init__()
        self.breakers = Breakers()
        self.now = 100.0
        self.faults = 0

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        self.breakers.started("d", self.now)

    @rule()
    def succeed(self) -> None:
        closed = self.breakers.succeeded("d", self.now)
        assert not (closed and "d" in self.breakers.resting(self.now))

    @rule(retry_after_s=st.none() | st.floats(0, 2000))
    def fail(self, retry_after_s: float | None) -> None:
        self.faults += 1
        before = self.breakers.open_until(self.now).get("d", 0.0)
        rests = self.breakers.failed("d", Unavailable("x", retry_after_s=retry_after_s), self.now)
        after = self.breakers.open_until(self.now).get("d", 0.0)
        assert rests == (after > before)
        assert after >= before

    @rule(ahead_s=st.floats(-50, 2000))
    def hear(self, ahead_s: float) -> None:
        self.faults += 1
        before = self.breakers.open_until(self.now).get("d", 0.0)
        self.breakers.merge("d", self.now + ahead_s, self.now)
        assert self.breakers.open_until(self.now).get("d", 0.0) >= before

    @rule()
    def hear_that_it_is_well(self) -> None:
        self.breakers.closed_elsewhere("d")
        assert self.breakers.resting(self.now) == frozenset()

    @precondition(lambda self: self.faults == 0)
    @rule()
    def stays_closed(self) -> None:
        assert self.breakers.resting(self.now) == frozenset()

    @invariant()
    def is_tried_again_in_bounded_time(self) -> None:
        assert self.breakers.resting(self.now + MAX_RETRY_AFTER_S + MAX_COOL_DOWN_S) == frozenset()


TestBreakerLife = BreakerLife.TestCase
