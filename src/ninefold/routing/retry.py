"""What to do after an attempt that failed."""

from __future__ import annotations

from ninefold.domain.errors import DeadlineExceeded, NinefoldError, RateLimited, StreamInterrupted, Unavailable, UpstreamRejected

FIRST_BACKOFF_S = 0.25
MAX_BACKOFF_S = 8.0
_MAX_DOUBLINGS = 32


def after_failure(
    error: NinefoldError,
    attempt_no: int,
    max_attempts: int,
    elapsed_s: float,
    total_s: float,
    jitter: float,
    *,
    same_deployment: bool = False,
) -> float | None:
    """Seconds to wait before the next attempt, or None where there is to be none.

    `attempt_no` counts from 1 and is the one that failed; `jitter` is drawn from [0, 1). Moving on to another deployment is
    immediate. The same one is tried again after the vendor's `Retry-After`, else after exponential back-off with full jitter; where
    that wait would outlast the request's total time there is no point in it. What the request itself is to blame for is never tried
    again, and neither is a stream that broke after its first delta.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter).
    """
    remaining_s = total_s - elapsed_s
    if attempt_no >= max_attempts or remaining_s <= 0 or not worth_another(error, same_deployment=same_deployment):
        return None
    if not same_deployment:
        return 0.0
    wait_s = jitter * min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt_no - 1, _MAX_DOUBLINGS))
    if error.retry_after_s is not None:
        wait_s = max(error.retry_after_s, 0.0)
    return wait_s if wait_s < remaining_s else None


def worth_another(error: NinefoldError, *, same_deployment: bool) -> bool:
    """Whether another attempt could end otherwise: a refusal of our credential only elsewhere, a failure or a lack of capacity anywhere."""
    if isinstance(error, StreamInterrupted):
        return False
    if isinstance(error, UpstreamRejected):
        return not same_deployment
    return isinstance(error, RateLimited | Unavailable | DeadlineExceeded)
