"""Whether and when a deployment is asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain import errors
from ninefold.routing.retry import FIRST_BACKOFF_S, MAX_BACKOFF_S, wait_again_s, worth_again, worth_elsewhere

FINAL = [
    errors.Internal,
    errors.InvalidRequest,
    errors.Unauthenticated,
    errors.PolicyDenied,
    errors.Killed,
    errors.ModelNotFound,
    errors.NoRoute,
    errors.Conflict,
    errors.BudgetExceeded,
]
ELSEWHERE = [errors.UpstreamRejected, errors.Unsupported, errors.TooLarge, errors.ContextTooLong]
PASSING = [errors.RateLimited, errors.Unavailable, errors.DeadlineExceeded, errors.StreamInterrupted]


@pytest.mark.parametrize("kind", FINAL)
def test_what_would_end_the_same_is_not_tried_again(kind: type[errors.NinefoldError]):
    assert not worth_again(kind("x"))
    assert not worth_elsewhere(kind("x"))


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_one_refuses_another_may_take(kind: type[errors.NinefoldError]):
    assert worth_elsewhere(kind("x"))
    assert not worth_again(kind("x"))


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_tried_anywhere(kind: type[errors.NinefoldError]):
    assert worth_elsewhere(kind("x"))
    assert worth_again(kind("x"))


@pytest.mark.parametrize(("tries", "longest_s"), [(1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 8.0), (1_000_000, 8.0)])
def test_backing_off_doubles_up_to_a_bound(tries: int, longest_s: float):
    assert wait_again_s(errors.Unavailable("x"), tries, 0.5) == longest_s / 2


@given(st.sampled_from(PASSING), st.none() | st.floats(-10, 1e6), st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_the_vendors_or_within_the_back_off(
    kind: type[errors.NinefoldError], retry_after_s: float | None, tries: int, jitter: float
):
    wait_s = wait_again_s(kind("x", retry_after_s=retry_after_s), tries, jitter)
    if retry_after_s is None:
        assert 0 <= wait_s <= min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (tries - 1))
    else:
        assert wait_s == max(retry_after_s, 0.0)
