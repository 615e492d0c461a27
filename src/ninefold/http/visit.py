"""One request on the data plane, from its headers to its last byte."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ninefold.domain.errors import InvalidRequest
from ninefold.domain.principal import Principal
from ninefold.domain.trace import TraceContext, parse_traceparent
from ninefold.ports.exchange import Exchange
from ninefold.wire.attribution import NAMES

_ATTRIBUTION = tuple((name, "x-ninefold-" + name.replace("_", "-")) for name in NAMES)
ATTRIBUTION_HEADERS = frozenset(header for _, header in _ATTRIBUTION)


class Visit(msgspec.Struct, kw_only=True):
    """What every surface needs of a request: the exchange, its ids, when it began (monotonic and wall clock) and who came."""

    exchange: Exchange
    trace: TraceContext
    request_id: str
    decision_id: str
    began: float
    started_at: float
    who: Principal | None = None
    deployment: str = ""
    model: str = ""
    status: int = 0
    outcome: str = ""

    def headers(self, content_type: str) -> bytes:
        """The header lines that every answer carries."""
        name = self.request_id
        return (
            f"content-type: {content_type}\r\nx-ninefold-trace-id: {self.trace.trace_id}\r\nx-ninefold-decision-id: {self.decision_id}\r\n"
            f"x-request-id: {name}\r\nrequest-id: {name}\r\n"
        ).encode()

    def attribution(self) -> tuple[tuple[str, str], ...]:
        """What the `x-ninefold-*` headers say of who owns this request."""
        headers = self.exchange.headers
        found: tuple[tuple[str, str], ...] = ()
        for name, header in _ATTRIBUTION:
            if header in headers:
                found += ((name, headers[header]),)
        return found


class Ids:
    """Fresh ids for one worker: random trace and span ids, and request ids that count within the worker's epoch."""

    def __init__(self, prefix: str, random_bits: Callable[[int], int]) -> None:
        self._prefix = prefix
        self._bits = random_bits
        self._count = 0

    def request_id(self) -> str:
        """Unique across workers and epochs."""
        self._count += 1
        return f"{self._prefix}-{self._count:x}"

    def trace(self, traceparent: str | None) -> TraceContext:
        """The caller's trace with a span of ours, or a new trace."""
        given = None if traceparent is None else parse_traceparent(traceparent)
        span_id = f"{self._bits(64) or 1:016x}"
        if given is None:
            return TraceContext(trace_id=f"{self._bits(128) or 1:032x}", span_id=span_id)
        return TraceContext(trace_id=given[0], span_id=span_id, parent_span_id=given[1], sampled=given[2])


def merged_attribution(first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Both; the same name with two values is a contradiction. Raises: InvalidRequest."""
    if not second:
        return first
    merged = dict(first)
    for name, value in second:
        if merged.get(name, value) != value:
            raise InvalidRequest(f"{name} is given twice, in a header and in the body's metadata, with different values.", param=name)
        merged[name] = value
    return tuple(merged.items())
