"""What a worker says about its requests: metrics for Prometheus, and one wide event a request for the event log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ninefold.adapters.http1.server import HttpServer
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Snapshot
from ninefold.finops.meter import LeasedMeter
from ninefold.gateway.answer import Answer
from ninefold.gateway.complete import Gateway
from ninefold.gateway.counts import Counts
from ninefold.http.metrics import DURATION_S, FIRST_TOKEN_S, TOKENS, Metrics, observe, render
from ninefold.http.serve_call import Surface
from ninefold.http.visit import Visit
from ninefold.ports.event_log import EventLog
from ninefold.routing.board import BreakerBoard

_NANOS = 1e9
_STALE_S = 10.0
_BATCH = 256
# Ways in which an answer was asked of a deployment; what was kept, shared or replayed was not.
_ASKED = frozenset({"bypass", "miss"})
# How a stream, or an answer that came whole (and says nothing), ends well.
_WELL = frozenset({"", "completed"})


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


class _Names:
    """The names of one snapshot that may become labels: what a caller asked for in vain is nobody's series."""

    __slots__ = ("deployments", "models", "snapshot")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.models = frozenset(model.name for model in snapshot.models)
        self.deployments = {each.name: each.provider for each in snapshot.deployments}


class _Cell:
    """The samples that an answer of one model by one deployment on one surface is counted in, looked up once."""

    __slots__ = ("attempts", "call", "duration", "input_tokens", "output_tokens")

    def __init__(self, metrics: Metrics, surface: str, model: str, deployment: str, provider: str) -> None:
        call = (surface.partition(".")[2], provider, model)
        self.call = call
        self.duration = metrics.duration.sample(call)
        self.input_tokens = metrics.tokens.sample((*call, "input"))
        self.output_tokens = metrics.tokens.sample((*call, "output"))
        # The deployment of an answer that was kept longer than it was configured is no label.
        self.attempts = metrics.attempts.sample((deployment, "completed")) if deployment else [0.0]


class Observer:
    """Counts and writes; nothing here is waited for on the path of a request."""

    def __init__(
        self,
        events: EventLog,
        run_folder: Path,
        worker: str,
        board: BreakerBoard,
        gateway: Gateway,
        counts: Counts,
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
        self._gateway = gateway
        self._counts = counts
        self._names = _Names(gateway.snapshot)
        self._cells: dict[tuple[str, str, str], _Cell] = {}
        self._monotonic = monotonic
        self._encode = msgspec.json.Encoder().encode
        self._ended: list[tuple[Visit, Surface | None, Answer | None, NinefoldError | None, float]] = []
        self._told: dict[tuple[str, str], int] = {}
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
        if self._names.snapshot is not self._gateway.snapshot:
            self._names = _Names(self._gateway.snapshot)
            self._cells.clear()
        for visit, surface, answer, error, duration_s in ended:
            self._count(visit, surface, answer, error, duration_s)

    async def tick(self) -> None:
        """See `settle`."""
        self.settle()

    def _count(self, visit: Visit, surface: Surface | None, answer: Answer | None, error: NinefoldError | None, duration_s: float) -> None:
        name = "other" if surface is None else surface.name
        model = visit.model if visit.model in self._names.models else ""
        cache = "" if answer is None else answer.cache
        self._metrics.requests.sample((name, model, str(visit.status), cache))[0] += 1
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
        usage, deployment = answer.usage, answer.deployment
        key = (name, visit.model, deployment)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._cell(*key)
        observe(cell.duration, DURATION_S, duration_s)
        if answer.streams:
            observe(self._metrics.first_token.sample(cell.call), FIRST_TOKEN_S, answer.first_content_s)
        observe(cell.input_tokens, TOKENS, usage.input_tokens)
        observe(cell.output_tokens, TOKENS, usage.output_tokens)
        if answer.cache in _ASKED:
            if visit.outcome in _WELL and answer.status < 400:
                cell.attempts[0] += 1
            elif deployment in self._names.deployments:
                self._metrics.attempts.add((deployment, visit.outcome or "failed"))
        if answer.cost_nanos:
            self._metrics.cost.add((event.tenant,), answer.cost_nanos / _NANOS)
        event.gen_ai_usage_input_tokens = usage.input_tokens
        event.gen_ai_usage_output_tokens = usage.output_tokens
        event.cached_input_tokens = usage.cached_input_tokens
        event.cost_nanos = answer.cost_nanos
        event.cache = "" if answer.cache == "bypass" else answer.cache

    def _cell(self, surface: str, model: str, deployment: str) -> _Cell:
        names = self._names
        if deployment not in names.deployments:  # an answer of before, whose deployment is gone
            return _Cell(self._metrics, surface, model if model in names.models else "", "", "")
        return _Cell(self._metrics, surface, model, deployment, names.deployments[deployment])

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
        metrics, gateway = self._metrics, self._gateway
        gauges = metrics.gauges
        gauges.put(("in_flight_streams",), gateway.inflight.count)
        gauges.put(("events_dropped",), self._events.dropped)
        if self._server is not None:
            gauges.put(("connections",), self._server.connections)
            gauges.put(("in_flight",), self._server.in_flight)
        if self._meter is not None:
            gauges.put(("unpriced_attempts",), self._meter.counts.unpriced)
            gauges.put(("overrun_usd",), self._meter.counts.overrun_nanos / _NANOS)
            gauges.put(("store_failures",), self._meter.counts.store_failures)
        metrics.shed.put((), gateway.gate.shed)
        metrics.queued.put((), gateway.gate.waiting)
        metrics.cache_bytes.put((), gateway.reuse.cache.size_bytes)
        metrics.cache_entries.put((), len(gateway.reuse.cache))
        health = self._board.health(self._monotonic())
        names = self._names.deployments
        metrics.breakers.samples = {(name,): [float(name in health.open)] for name in names}
        metrics.in_flight.samples = {(name,): [float(health.in_flight.get(name, 0))] for name in names}
        self._put_counts()

    def _put_counts(self) -> None:
        metrics, counts = self._metrics, self._counts
        for (deployment, code), count in counts.failed.items():
            self._failed(deployment, code, count)
        for model, count in counts.retries.items():
            metrics.retries.put((model,), count)
        for hedge, count in counts.hedges.items():
            metrics.hedges.put(hedge, count)
        for model, nanos in counts.hedge_nanos.items():
            metrics.hedge_cost.put((model,), nanos / _NANOS)
        for way, count in counts.promotions.items():
            metrics.promotions.put(way, count)
        for way, nanos in counts.promotion_nanos.items():
            metrics.promotion_cost.put(way, nanos / _NANOS)

    def _failed(self, deployment: str, code: str, count: int) -> None:
        """Attempts that failed before their content are counted by dispatch, those that broke off later here: both are one series."""
        key = (deployment, code)
        self._metrics.attempts.add(key, count - self._told.get(key, 0))
        self._told[key] = count

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
