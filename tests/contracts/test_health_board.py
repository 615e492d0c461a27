"""The laws of `ports.health_board`, for every board."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ninefold.domain.errors import InvalidRequest, RateLimited, Unavailable
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
