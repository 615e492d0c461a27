"""The UTC calendar windows of budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ninefold.domain.errors import InvalidRequest

_FIXED_S = {"hour": 3600, "day": 86_400}
_WEEK_S = 7 * 86_400
# 1970-01-01 was a Thursday; ISO weeks begin on Monday.
_FIRST_MONDAY = 4 * 86_400


def window_bounds(window: str, now: float) -> tuple[int, int | None]:
    """Start (inclusive) and end (exclusive, None for never) of the `window` that `now` lies in, in seconds since the epoch, UTC.

    Raises: InvalidRequest for an unknown window.
    """
    second = int(now // 1)
    if window in _FIXED_S:
        start = second - second % _FIXED_S[window]
        return start, start + _FIXED_S[window]
    if window == "week":
        start = second - (second - _FIRST_MONDAY) % _WEEK_S
        return start, start + _WEEK_S
    if window == "month":
        first = datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        return int(first.timestamp()), int(following.timestamp())
    if window == "total":
        return 0, None
    raise InvalidRequest(f"a budget's window is hour, day, week, month or total, not {window!r}", param="window")
