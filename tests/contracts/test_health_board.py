"""The laws of `ports.health_board`, for every board."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from ninefold.domain.errors import InvalidRequest, RateLimited, Unavailable
from ninefold.domain.snapshot import BreakerRules, Deployment, Model, Snapshot
from ninefold.routing.board import CLOSED, OPENED, BreakerBoard

DOWN = Unavailable("down")
NOW = 100.0
Make = Callable[[str], BreakerBoard]


@pytest.fixture(params=[BreakerBoard])
def make(request: pytest.FixtureRequest) -> Make:
    return lambda worker: request.param(worker, lambda: NOW)


def fail(board: BreakerBoard, times: int, now: float = NOW) -> None:
    for _ in range(times):
        board.started("d", now)
        board.failed("d", DOWN, now)


def tell(speaker: BreakerBoard, *listeners: BreakerBoard) -> list[str]:
    """What the delta log does: every report reaches every board, the speaker's own too."""
    reports = speaker.take_reports()
    for report in reports:
        said = json.loads(report.payload())
        for board in (speaker, *listeners):
            if report.kind == OPENED:
                board.merge(report.deployment, said["by"], said["for_s"])
            else:
                board.closed(report.deployment, said["by"])
    return [report.kind for report in reports]


def test_enough_failures_in_a_row_open_a_breaker(make: Make):
    board = make("w1")
    fail(board, 4)
    assert board.health(NOW).open == frozenset()
    fail(board, 1)
    assert board.health(NOW).open == {"d"}


def test_faults_of_the_request_open_nothing(make: Make):
    board = make("w1")
    for _ in range(20):
        board.failed("d", InvalidRequest("x"), NOW)
    assert board.health(NOW).open == frozenset()


def test_one_probe_goes_through_after_the_cool_down(make: Make):
    board = make("w1")
    fail(board, 5)
    assert board.health(NOW + 5).open == frozenset()
    board.started("d", NOW + 5)
    assert board.health(NOW + 5).open == {"d"}


def test_a_success_closes_it(make: Make):
    board = make("w1")
    fail(board, 5)
    board.started("d", NOW + 5)
    board.succeeded("d", NOW + 6)
    assert board.health(NOW + 6).open == frozenset()


def test_what_another_worker_reports_counts_here_too(make: Make):
    here, there, third = make("w1"), make("w2"), make("w3")
    fail(there, 5)
    assert tell(there, here, third) == [OPENED]
    assert here.health(NOW + 4).open == {"d"}
    here.started("d", NOW + 5)
    here.succeeded("d", NOW + 6)
    assert tell(here, there, third) == [CLOSED]
    assert [board.health(NOW + 6).open for board in (here, there, third)] == [frozenset()] * 3


def test_what_was_heard_is_not_told_on(make: Make):
    here, there = make("w1"), make("w2")
    there.failed("d", RateLimited("x", retry_after_s=30.0), NOW)
    tell(there, here)
    assert tell(here) == []
    assert tell(there) == []


def test_an_answer_from_before_the_trip_closes_it_nowhere(make: Make):
    here, there = make("w1"), make("w2")
    here.started("d", NOW)
    there.failed("d", RateLimited("x", retry_after_s=30.0), NOW)
    tell(there, here)
    here.succeeded("d", NOW + 1)
    assert tell(here, there) == []
    assert [board.health(NOW + 2).open for board in (here, there)] == [{"d"}, {"d"}]


def watching(board: BreakerBoard, **rules: float) -> BreakerBoard:
    """A board that has been told of deployments whose speed matters."""
    deployments = tuple(
        Deployment(name=name, provider="openai", base_url="http://h", model="m", breaker=BreakerRules(**rules)) for name in "de"
    )
    model = Model(name="m", strategy="fastest", deployments=("d", "e"))
    board.use(Snapshot(version=1, digest="", compiled_at=0.0, policy_version="", deployments=deployments, models=(model,)))
    return board


def test_breakers_follow_the_rules_of_their_deployment(make: Make):
    board = watching(make("w1"), failures_in_a_row=2, cool_down_s=1.0)
    fail(board, 1)
    assert board.health(NOW).open == frozenset()
    fail(board, 1)
    assert board.health(NOW).open == {"d"}
    assert board.health(NOW + 1.0).open == frozenset()


def test_attempts_under_way_are_counted_until_they_end(make: Make):
    board = make("w1")
    for _ in range(2):
        board.started("d", NOW)
    assert board.health(NOW).in_flight["d"] == 2
    board.succeeded("d", NOW, 0.1)
    assert board.health(NOW).in_flight["d"] == 2
    for _ in range(3):
        board.ended("d")
    assert board.health(NOW).in_flight["d"] == 0


def test_a_slow_answer_counts_at_once_and_is_forgiven_over_ten_seconds(make: Make):
    board = watching(make("w1"))
    board.succeeded("d", NOW, 0.2)
    board.succeeded("d", NOW + 1, 4.0)
    assert board.health(NOW + 1).first_token_s["d"] == 4.0
    board.succeeded("d", NOW + 11, 0.2)
    assert board.health(NOW + 11).first_token_s["d"] == pytest.approx(0.2 + 3.8 / math.e)


def test_streams_and_whole_answers_are_told_apart(make: Make):
    board = watching(make("w1"))
    board.succeeded("d", NOW, 0.2)
    board.succeeded("d", NOW, 3.0, whole=True)
    board.succeeded("e", NOW)
    health = board.health(NOW)
    assert (dict(health.first_token_s), dict(health.whole_s)) == ({"d": 0.2}, {"d": 3.0})


def test_the_slowest_twentieth_is_known_after_ten_answers(make: Make):
    board = watching(make("w1"))
    for n in range(9):
        board.succeeded("d", NOW + n / 100, 0.1)
    assert "d" not in board.health(NOW + 1).p95_s
    for n in range(191):
        board.succeeded("d", NOW + 1 + n / 100, 2.0 if n % 12 == 0 else 0.1)
    assert 1.6 <= board.health(NOW + 3).p95_s["d"] <= 2.4
    for n in range(400):
        board.succeeded("d", NOW + 4 + n / 100, 0.1)
    assert board.health(NOW + 8).p95_s["d"] <= 0.15


def test_who_was_not_asked_for_a_minute_is_unknown_again(make: Make):
    board = watching(make("w1"))
    board.succeeded("d", NOW, 9.0)
    assert "d" in board.health(NOW + 59).first_token_s
    assert "d" not in board.health(NOW + 61).first_token_s
