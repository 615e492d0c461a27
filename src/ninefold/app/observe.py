"""What a worker says about its requests: metrics for Prometheus, and one wide event a request for the event log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ninefold.adapters.http1.server import HttpServer
from ninefold.domain.errors import NinefoldError
from ninefold.finops.meter import LeasedMeter
from ninefold.gateway.answer import Answer
from ninefold.gateway.inflight import InFlight
from ninefold.http.metrics import Metrics, render
from ninefold.http.serve_call import Surface
from ninefold.http.visit import Visit
from ninefold.ports.event_log import EventLog
from ninefold.routing.board import BreakerBoard

_NANOS = 1e9
_STALE_S = 10.0
_BATCH = 256


class RequestEvent(msgspec.Struct, omit_defaults=True):
    """One request, in the words of OpenTelemetry's GenAI conventions where they have one (v1.41)."""

    ts: float
    trace_id: str
    span_id: str
    parent_span_id: str
    request_id: str
    surface: str
    status: int
    duration_ms: float
    tenant: str = ""
    key_id: str = ""
    gen_ai_request_model: str = ""
    deployment: str = ""
    outcome: str = ""
    error_code: str = ""
    gen_ai_usage_input_tokens: int = 0
    gen_ai_usage_output_tokens: int = 0
    cached_input_tokens: int = 0
    cost_nanos: int = 0
    cache: str = ""


class Observer:
    """Counts and writes; nothing here is waited for on the path of a request."""

    def __init__(
        self,
        events: EventLog,
        run_folder: Path,
        worker: str,
        board: BreakerBoard,
        inflight: InFlight,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._wall = wall
        self._events = events
        self._folder = run_folder
        self._path = run_folder / f"metrics-{worker}.json"
        self._metrics = Metrics()
        self._board = board
        self._inflight = inflight
        self._monotonic = monotonic
        self._encode = msgspec.json.Encoder().encode
        self._ended: list[tuple[Visit, Surface | None, Answer | None, NinefoldError | None, float]] = []
        self._server: HttpServer | None = None
        self._meter: LeasedMeter | None = None

    def watch(self, server: HttpServer, meter: LeasedMeter) -> None:
        """Gauges of `server` and `meter` are reported too."""
        self._server = server
        self._meter = meter

    def observe(self, visit: Visit, surface: Surface | None, answer: Answer | None, error: NinefoldError | None) -> None:
        """The request has ended; it is counted and written with the next batch, when the code for that is warm in the cache."""
        self._ended.append((visit, surface, answer, error, self._monotonic() - visit.began))
        if len(self._ended) >= _BATCH:
            self.settle()

    def settle(self) -> None:
        """Every request that has ended is counted, and its event handed to the event log."""
        ended, self._ended = self._ended, []
        for visit, surface, answer, error, duration_s in ended:
            self._count(visit, surface, answer, error, duration_s)

    async def tick(self) -> None:
        """See `settle`."""
        self.settle()

    def _count(self, visit: Visit, surface: Surface | None, answer: Answer | None, error: NinefoldError | None, duration_s: float) -> None:
        name = "other" if surface is None else surface.name
        # Only names from the configuration become labels: what a caller asked for in vain is nobody's series.
        model = visit.model if answer is not None else ""
        self._metrics.requests.add((name, model, str(visit.status)), 1)
        event = RequestEvent(
            ts=visit.started_at,
            trace_id=visit.trace.trace_id,
            span_id=visit.trace.span_id,
            parent_span_id=visit.trace.parent_span_id or "",
            request_id=visit.request_id,
            surface=name,
            status=visit.status,
            duration_ms=duration_s * 1000,
            gen_ai_request_model=visit.model,
            deployment=visit.deployment,
            outcome=visit.outcome,
            error_code="" if error is None else error.code,
        )
        if visit.who is not None:
            event.tenant, event.key_id = visit.who.tenant, visit.who.key_id
        if answer is not None:
            self._answered(visit, answer, name, duration_s, event)
        if surface is not None:
            self._events.append(self._encode(event))

    def _answered(self, visit: Visit, answer: Answer, name: str, duration_s: float, event: RequestEvent) -> None:
        metrics, usage = self._metrics, answer.usage
        operation = name.partition(".")[2]
        metrics.duration.observe((operation, visit.model), duration_s)
        if answer.streams:
            metrics.first_token.observe((operation, visit.model), answer.first_content_s)
        metrics.tokens.add(("input", visit.model), usage.input_tokens)
        metrics.tokens.add(("output", visit.model), usage.output_tokens)
        if answer.cost_nanos:
            metrics.cost.add((event.tenant,), answer.cost_nanos / _NANOS)
        event.gen_ai_usage_input_tokens = usage.input_tokens
        event.gen_ai_usage_output_tokens = usage.output_tokens
        event.cached_input_tokens = usage.cached_input_tokens
        event.cost_nanos = answer.cost_nanos
        event.cache = "" if answer.cache == "bypass" else answer.cache

    def text(self) -> bytes:
        """All workers' metrics as Prometheus text."""
        self.settle()
        self._gauge()
        return render(self._metrics, self._others())

    async def publish(self) -> None:
        """The other workers can read what this one has counted."""
        self.settle()
        self._gauge()
        document = self._encode(self._metrics.dump())
        await asyncio.to_thread(_replace, self._path, document)

    def _gauge(self) -> None:
        gauges = self._metrics.gauges.samples
        gauges["in_flight_streams",] = [float(self._inflight.count)]
        gauges["events_dropped",] = [float(self._events.dropped)]
        if self._server is not None:
            gauges["connections",] = [float(self._server.connections)]
            gauges["in_flight",] = [float(self._server.in_flight)]
        if self._meter is not None:
            gauges["unpriced_attempts",] = [float(self._meter.counts.unpriced)]
            gauges["overrun_usd",] = [self._meter.counts.overrun_nanos / _NANOS]
            gauges["store_failures",] = [float(self._meter.counts.store_failures)]
        self._metrics.breakers.samples = {(name,): [1.0] for name in self._board.health(self._monotonic()).open}

    def _others(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in self._folder.glob("metrics-*.json"):
            if path == self._path:
                continue
            try:
                if path.stat().st_mtime < self._wall() - _STALE_S:
                    continue
                found.append(msgspec.json.decode(path.read_bytes()))
            except (OSError, msgspec.MsgspecError):
                continue  # the other worker has just gone, and its counts with it
        return found


def _replace(path: Path, document: bytes) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(document)
    draft.replace(path)
