"""What Google's error statuses and error events mean to us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ninefold.domain.errors import ContextTooLong, DeadlineExceeded, NinefoldError, RateLimited, Unavailable, UpstreamRejected
from ninefold.wire.gemini import errors
from ninefold.wire.status_meaning import meaning

# Said with status 400, but about our key or the place of our deployment, not about the request.
# Source: ai.google.dev/gemini-api/docs/troubleshooting; google/api/error_reason.proto.
_ABOUT_US = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "SERVICE_DISABLED", "BILLING_DISABLED"})

# INVALID_ARGUMENT like any other. Source: github.com/google-gemini/gemini-cli/issues/4231, "The input token count (3475108) exceeds the
# maximum number of tokens allowed (1048576)."
_TOO_LONG: Final = re.compile(r"input token count\b.{0,100}\bexceeds the maximum", re.IGNORECASE | re.DOTALL)


def failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better.

    `FAILED_PRECONDITION` says that the API cannot be used from here (country, billing). A wait that the details name counts where no
    header does.
    """
    found = errors.decode(body)
    if status == 400 and (found.status == "FAILED_PRECONDITION" or found.reasons & _ABOUT_US):
        return UpstreamRejected("The upstream refused this gateway's key or place (status 400); its operator must look at it."), True
    if status == 400 and _TOO_LONG.search(found.message):
        return ContextTooLong(f"The upstream says: {found.message}", param=found.param), True
    error, elsewhere = meaning(status, headers, found.message, found.param)
    if error.retry_after_s is None and isinstance(error, RateLimited | Unavailable):
        error.retry_after_s = found.retry_after_s
    return error, elsewhere


def event_error(body: bytes) -> NinefoldError:
    """The error that arrived inside a stream that had begun with status 200; `body` is the event's whole payload."""
    found = errors.decode(body)
    if found.status == "RESOURCE_EXHAUSTED" or found.code == 429:
        return RateLimited("The upstream's rate limit was reached in mid-stream.", retry_after_s=found.retry_after_s)
    if found.status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded("The upstream gave up in mid-stream.")
    if found.status == "INVALID_ARGUMENT":
        return UpstreamRejected(f"The upstream says: {found.message}")
    return Unavailable(f"The upstream sent an error in its stream ({found.status or 'unnamed'}).")
