from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import InvalidRequest
from ninefold.finops.windows import window_bounds


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        ("hour", "2026-11-21T12:59:59.999", "2026-11-21T12:00", "2026-11-21T13:00"),
        ("hour", "2026-11-21T13:00", "2026-11-21T13:00", "2026-11-21T14:00"),
        ("day", "2024-02-29T23:59:59", "2024-02-29", "2024-03-01"),
        ("week", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),  # a Sunday
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),  # a Monday
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2024-02-01T00:00:00", "2024-02-01", "2024-03-01"),
    ],
)
def test_windows_are_utc_calendar_windows(window, now, start, end):
    assert window_bounds(window, at(now)) == (at(start), at(end))


def test_total_never_ends_and_unknown_windows_are_named():
    assert window_bounds("total", 5.0) == (0, None)
    with pytest.raises(InvalidRequest, match="fortnight"):
        window_bounds("fortnight", 5.0)


@given(now=st.floats(0, 4e9), window=st.sampled_from(["hour", "day", "week", "month"]))
def test_every_moment_lies_in_one_window_and_windows_follow_each_other(now, window):
    start, end = window_bounds(window, now)
    assert start <= now < end
    assert window_bounds(window, end)[0] == end
    assert window_bounds(window, end - 1) == (start, end)
    if window == "week":
        assert datetime.fromtimestamp(start, UTC).isoweekday() == 1
        assert end - start == timedelta(days=7).total_seconds()
