"""Whether and when an attempt is followed by another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain import errors
from ninefold.routing.retry import FIRST_BACKOFF_S, MAX_BACKOFF_S, after_failure

FINAL = [
    errors.Internal,
    errors.InvalidRequest,
    errors.Unsupported,
    errors.Unauthenticated,
    errors.PolicyDenied,
    errors.Killed,
    errors.ModelNotFound,
    errors.NoRoute,
    errors.Conflict,
    errors.TooLarge,
    errors.BudgetExceeded,
    errors.StreamInterrupted,
]
PASSING = [errors.RateLimited, errors.Unavailable, errors.DeadlineExceeded]


@pytest.mark.parametrize("kind", FINAL)
@pytest.mark.parametrize("same", [True, False])
def test_what_would_end_the_same_is_not_tried_again(kind: type[errors.NinefoldError], same: bool):
    assert after_failure(kind("x", retry_after_s=1.0), 1, 9, 0.0, 60.0, 0.5, same_deployment=same) is None


@pytest.mark.parametrize("kind", [*PASSING, errors.UpstreamRejected])
def test_moving_on_is_immediate(kind: type[errors.NinefoldError]):
    assert after_failure(kind("x", retry_after_s=30.0), 1, 2, 0.0, 60.0, 0.9) == 0.0


def test_a_vendor_that_refused_our_credential_is_not_asked_again():
    assert after_failure(errors.UpstreamRejected("x"), 1, 9, 0.0, 60.0, 0.9, same_deployment=True) is None


def test_the_last_attempt_was_the_last():
    down = errors.Unavailable("x")
    assert after_failure(down, 2, 3, 0.0, 60.0, 0.0) == 0.0
    assert after_failure(down, 3, 3, 0.0, 60.0, 0.0) is None
    assert after_failure(down, 1, 3, 60.0, 60.0, 0.0) is None


@pytest.mark.parametrize(("attempt_no", "longest_s"), [(1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 8.0), (1_000_000, 8.0)])
def test_backing_off_doubles_up_to_a_bound(attempt_no: int, longest_s: float):
    wait_s = after_failure(errors.Unavailable("x"), attempt_no, 2_000_000, 0.0, 60.0, 0.5, same_deployment=True)
    assert wait_s == longest_s / 2


def test_retry_after_is_taken_exactly_or_not_at_all():
    limited = errors.RateLimited("x", retry_after_s=4.0)
    assert after_failure(limited, 1, 3, 1.0, 6.0, 0.9, same_deployment=True) == 4.0
    assert after_failure(limited, 1, 3, 2.0, 6.0, 0.9, same_deployment=True) is None


@given(
    st.sampled_from(PASSING),
    st.none() | st.floats(-10, 1e6),
    st.integers(1, 50),
    st.integers(1, 50),
    st.floats(0, 1000),
    st.floats(0.001, 1000),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_fits_into_what_is_left(
    kind: type[errors.NinefoldError],
    retry_after_s: float | None,
    attempt_no: int,
    max_attempts: int,
    elapsed_s: float,
    total_s: float,
    jitter: float,
):
    error = kind("x", retry_after_s=retry_after_s)
    wait_s = after_failure(error, attempt_no, max_attempts, elapsed_s, total_s, jitter, same_deployment=True)
    if attempt_no >= max_attempts or elapsed_s >= total_s:
        assert wait_s is None
    if wait_s is not None:
        assert 0 <= wait_s < total_s - elapsed_s
        if retry_after_s is None:
            assert wait_s <= min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (attempt_no - 1))
        else:
            assert wait_s >= retry_after_s
