"""How long a vendor asks us to wait."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping


def retry_after(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or either form of `Retry-After`; None where it says nothing usable.

    A date counts from the response's own `Date`, so that clocks need not agree. Source: RFC 9110 §10.2.3.
    """
    exact = headers.get(b"retry-after-ms")
    if exact is not None:
        try:
            return max(float(exact) / 1000, 0.0)
        except ValueError:
            return None
    value = headers.get(b"retry-after")
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(value.decode("latin-1"))
        since = email.utils.parsedate_to_datetime(headers.get(b"date", b"").decode("latin-1"))
        return max((until - since).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
