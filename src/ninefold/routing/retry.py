"""Whether and when a deployment is asked again."""

from __future__ import annotations

from ninefold.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    NinefoldError,
    RateLimited,
    TooLarge,
    Unavailable,
    Unsupported,
    UpstreamRejected,
)

FIRST_BACKOFF_S = 0.25
MAX_BACKOFF_S = 8.0
_MAX_DOUBLINGS = 32


def worth_elsewhere(error: NinefoldError) -> bool:
    """Whether another deployment could do better: after a failure or a lack of capacity, a refusal of our credential, or where this one
    could not express the request or had no room for it."""
    return isinstance(error, RateLimited | Unavailable | DeadlineExceeded | UpstreamRejected | Unsupported | TooLarge | ContextTooLong)


def worth_again(error: NinefoldError) -> bool:
    """Whether the same deployment could do better next time: what it refused with a 4xx it will refuse again."""
    return isinstance(error, RateLimited | Unavailable | DeadlineExceeded)


def wait_again_s(error: NinefoldError, tries: int, jitter: float) -> float:
    """Seconds before the same deployment is asked once more, after `tries` on it; `jitter` is drawn from [0, 1).

    The vendor's own `Retry-After`, else exponential back-off with full jitter.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter).
    """
    if error.retry_after_s is not None:
        return max(error.retry_after_s, 0.0)
    return jitter * min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(tries - 1, _MAX_DOUBLINGS))
