"""What a vendor's HTTP status means to us, where its protocol does not say otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NinefoldError,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamRejected,
)
from ninefold.wire.retry_after import retry_after


def meaning(status: int, headers: Mapping[bytes, bytes], said: str | None, param: str | None = None) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better; `said` is the vendor's own message, if it sent one.

    A 400 is the caller's own (and the same everywhere); 401, 402, 403 and 404 are about our account and model there.
    """
    words = said or f"no reason given (status {status})"
    if status in {400, 422}:
        return InvalidRequest(f"The upstream says: {words}", param=param), False
    if status == 413:
        return TooLarge(f"The upstream says: {words}"), True
    if status == 429:
        return RateLimited("The upstream's rate limit is reached.", retry_after_s=retry_after(headers)), True
    if status in {408, 504}:
        return DeadlineExceeded(f"The upstream gave up waiting (status {status})."), True
    if status >= 500:
        return Unavailable(f"The upstream failed or is overloaded (status {status}).", retry_after_s=retry_after(headers)), True
    return UpstreamRejected(f"The upstream refused this gateway's request (status {status}); its operator must look at it."), True
