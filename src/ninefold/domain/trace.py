"""Ids that join the trace, the decision and the money of one request."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


# Not frozen: building a frozen one costs twice as much, and one is built for every request; nobody writes to it.
@dataclass(slots=True, kw_only=True)
class TraceContext:
    """A W3C trace context: the caller's span is our parent, `span_id` is ours."""

    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    sampled: bool = True

    def traceparent(self) -> str:
        """The header value that makes this span the parent of whatever is called next."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse_traceparent(value: str) -> tuple[str, str, bool] | None:
    """Trace id, parent span id and the sampled flag of a `traceparent` header, or None where it is not one.

    Source: W3C Trace Context §3.2: version ff and all-zero ids are invalid; later versions may carry more fields.
    """
    match = _TRACEPARENT.fullmatch(value.strip())
    if match is None:
        return None
    version, trace_id, parent, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == "0" * 32 or parent == "0" * 16:
        return None
    return trace_id, parent, bool(int(flags, 16) & 1)
