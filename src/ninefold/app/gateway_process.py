"""A gateway worker: one process that answers the data plane's port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from pathlib import Path

import uvloop

from ninefold.app.lifespan import Lifespan
from ninefold.app.logging import Log, route_libraries
from ninefold.app.process_boot import Boot, announce_ready, parse_boot
from ninefold.app.wiring import GatewayWiring, wire_gateway
from ninefold.domain.errors import Unavailable

_POLL_S = 0.2
_METRICS_S = 1.0
_EVENTS_S = 0.05
_RETRY_S = 0.5
_BATCHES_S = 0.5
_SWEEP_S = 30.0


async def serve(boot: Boot, log: Log) -> None:
    """The worker answers until it is told to end, and has given everything back."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    wiring = await _wired(boot, log, stop)
    if wiring is None:
        return
    lifespan = Lifespan(log)
    lifespan.add("snapshot", wiring.follower.step, every_s=_POLL_S)
    lifespan.add("meter", wiring.meter.run, every_s=_POLL_S)
    lifespan.add("events", wiring.metrics.tick, every_s=_EVENTS_S)
    lifespan.add("metrics", wiring.metrics.publish, every_s=_METRICS_S)
    lifespan.add("claims", wiring.data_plane.gateway.reuse.claims.step, every_s=_EVENTS_S)
    lifespan.add("sweep", wiring.data_plane.gateway.reuse.claims.sweep, every_s=_SWEEP_S)
    lifespan.add("batches", wiring.batches.step, every_s=_BATCHES_S)
    lifespan.add("fence", lambda: _leave_if_fenced(wiring, stop, log), every_s=_POLL_S)
    lifespan.start()
    if boot.fd is None:
        raise SystemExit("a gateway needs the descriptor of a listening socket")
    await wiring.server.listen(socket.socket(fileno=boot.fd))
    # Start-up made what lives for ever; collections need not look at it again.
    gc.collect()
    gc.freeze()
    announce_ready(boot)
    log.info("gateway.ready", worker=boot.worker, snapshot=wiring.data_plane.gateway.snapshot.version)
    await stop.wait()
    log.info("gateway.draining", in_flight=wiring.server.in_flight)
    cut, _ = await asyncio.gather(wiring.server.drain(boot.drain_s), wiring.batches.stop(boot.drain_s))
    await lifespan.stop()
    wiring.metrics.settle()
    await _hand_over(wiring, log)
    log.info("gateway.stopped", cut=cut)


async def _leave_if_fenced(wiring: GatewayWiring, stop: asyncio.Event, log: Log) -> None:
    """A worker that was taken for dead may not spend any more: it leaves, and its place is filled under a new epoch."""
    if wiring.meter.counts.fenced and not stop.is_set():
        log.error("worker.fenced", worker=wiring.lock.worker)
        stop.set()


async def _wired(boot: Boot, log: Log, stop: asyncio.Event) -> GatewayWiring | None:
    """A worker that starts while the database is down waits for it, and its callers with it; None where it is told to end meanwhile."""
    while not stop.is_set():
        try:
            return await wire_gateway(boot, os.environ, log)
        except Unavailable as error:
            log.warning("gateway.waiting", reason=error.detail)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_S):
                    await stop.wait()
    return None


async def _hand_over(wiring: GatewayWiring, log: Log) -> None:
    """Leases go back, so that nobody waits for them to end; a store that is down gets them from the journal later."""
    try:
        await wiring.meter.exchange()
        await wiring.meter.give_back_all()
    except Unavailable as error:
        log.warning("leases.kept", reason=error.detail)
    await wiring.close()


def main() -> None:
    """The process's entry."""
    boot = parse_boot()
    log = Log(process=boot.worker or "gateway", level=boot.log_level)
    route_libraries(log)
    Path(boot.data_dir).mkdir(parents=True, exist_ok=True, mode=0o700)
    uvloop.run(serve(boot, log))


if __name__ == "__main__":
    main()
