"""Every binding of a gateway worker, on one page."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ninefold.adapters.events.ndjson import NdjsonEventLog
from ninefold.adapters.http1.client import Http1Client
from ninefold.adapters.http1.server import HttpServer, ServerLimits
from ninefold.adapters.journal.lock import WorkerLock
from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.adapters.jsonschema_rs.verdict import verdict
from ninefold.adapters.sql.answers import SqlAnswerStore
from ninefold.adapters.sql.deltas import SqlDeltaLog
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.responses import SqlResponseStore
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.adapters.vendor_http.upstream import HttpUpstream
from ninefold.app.batch_calls import BatchCalls
from ninefold.app.batch_runner import BatchRunner
from ninefold.app.batch_wiring import make_runner, make_shelf
from ninefold.app.follow import Follower
from ninefold.app.logging import Log
from ninefold.app.observe import Observer
from ninefold.app.process_boot import JOURNAL_FOLDER, Boot
from ninefold.app.process_database import open_for
from ninefold.app.secrets import Secrets
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Snapshot
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.recorder import JournalRecorder
from ninefold.gateway.complete import Gateway
from ninefold.gateway.dispatch import Dispatch
from ninefold.gateway.parts import Parts
from ninefold.http.control_proxy import ControlProxy
from ninefold.http.data_plane import DataPlane, Surroundings
from ninefold.http.openai_batches import Batches
from ninefold.http.openai_files import Files
from ninefold.http.openai_responses import Conversations
from ninefold.http.visit import Ids
from ninefold.identity.authenticate import KeyIndex
from ninefold.policy.decide import AllowListPolicy
from ninefold.ports.lease_store import Opened
from ninefold.routing.board import BreakerBoard
from ninefold.routing.plan import StrategyRouter
from ninefold.wire.dialects.tools_offered import offered
from ninefold.wire.dialects.vendors import VENDORS
from ninefold.wire.text_so_far import text_so_far

EVENTS_FOLDER = "events"


@dataclass(slots=True, kw_only=True)
class GatewayWiring:
    """What a gateway worker owns."""

    database: Database
    journal: JournalWriter
    lock: WorkerLock
    events: NdjsonEventLog
    client: Http1Client
    meter: LeasedMeter
    data_plane: DataPlane
    server: HttpServer
    follower: Follower
    metrics: Observer
    batches: BatchRunner

    async def close(self) -> None:
        """Nothing is open any more."""
        await self.client.close()
        await self.events.close()
        self.journal.close()
        self.lock.release()
        self.database.close()


@dataclass(slots=True, kw_only=True)
class _Opened:
    """What a worker takes hold of before anything can be bound to it."""

    database: Database
    lock: WorkerLock
    journal: JournalWriter
    leases: SqlLeaseStore
    epoch: Opened
    opened_at: float
    snapshot: Snapshot
    deltas_seen: int


async def wire_gateway(boot: Boot, environ: Mapping[str, str], log: Log) -> GatewayWiring:
    """A worker, ready to listen. Raises: Unavailable while the database does not answer, or the journal cannot be written."""
    opened = await _open(boot, environ)
    data_dir = Path(boot.data_dir)
    epoch = opened.epoch.holder.epoch
    events = NdjsonEventLog(data_dir / EVENTS_FOLDER, worker=boot.worker.replace("-", "_"), epoch=epoch)
    meter = LeasedMeter(opened.journal, opened.leases, opened.epoch, opened_at=opened.opened_at, monotonic=time.monotonic, wall=time.time)
    client, board = Http1Client(), BreakerBoard(boot.worker, time.monotonic)
    upstream = HttpUpstream(client, {name: vendor.dialect for name, vendor in VENDORS.items()}, Secrets(environ).read)
    parts = _parts(opened, meter, board, upstream)
    gateway = Gateway(parts, opened.snapshot)
    clocks = {"monotonic": time.monotonic, "wall": time.time}
    observer = Observer(events, data_dir / "run", boot.worker, board, gateway, parts.dispatch.counts, **clocks)
    ids = Ids(f"{boot.worker}-{epoch:x}", random.Random().getrandbits)
    conversations = Conversations(SqlResponseStore(opened.database), time.time)
    shelf = make_shelf(opened.database, data_dir)
    around = Surroundings(
        ids=ids,
        wall=time.time,
        monotonic=time.monotonic,
        metrics_text=observer.text,
        unready=lambda: "its epoch was ended by another worker" if meter.counts.fenced else "",
        control=ControlProxy(client, boot.control or "http://127.0.0.1:8081"),
        conversations=conversations,
        files=Files(shelf),
        batches=Batches(shelf.store, time.time, shelf.new_id),
        observe=observer.observe,
    )
    plane = DataPlane(gateway, KeyIndex(opened.snapshot), around)
    server = HttpServer(plane.handle, plane.stray_error, ServerLimits())
    observer.watch(server, meter)
    return GatewayWiring(
        database=opened.database,
        journal=opened.journal,
        lock=opened.lock,
        events=events,
        client=client,
        meter=meter,
        data_plane=plane,
        server=server,
        metrics=observer,
        batches=make_runner(shelf, data_dir, BatchCalls(plane, conversations, ids, time.time, time.monotonic), boot.worker, log),
        follower=Follower(
            plane,
            SqlSnapshotStore(opened.database),
            SqlDeltaLog(opened.database),
            board,
            seen=opened.deltas_seen,
            monotonic=time.monotonic,
            wall=time.time,
            changed=upstream.refresh,
            log=log,
        ),
    )


def _parts(opened: _Opened, meter: LeasedMeter, board: BreakerBoard, upstream: HttpUpstream) -> Parts:
    recorder, router = JournalRecorder(opened.journal), StrategyRouter(time.monotonic)
    return Parts(
        policy=AllowListPolicy(),
        router=router,
        meter=meter,
        recorder=recorder,
        board=board,
        dispatch=Dispatch(upstream, meter, recorder, router, board, random.random, text_so_far),
        answers=SqlAnswerStore(opened.database),
        holder=opened.epoch.holder,
        wall=time.time,
        monotonic=time.monotonic,
        draw=random.random,
        offered=offered,
        verdict=verdict,
    )


async def _open(boot: Boot, environ: Mapping[str, str]) -> _Opened:
    """Nothing is left open where this raises, so that it can be tried again."""
    folder = Path(boot.data_dir) / JOURNAL_FOLDER
    with contextlib.ExitStack() as undo:
        database = open_for(boot, environ)
        undo.callback(database.close)
        deltas_seen = await SqlDeltaLog(database).head()
        snapshot = await SqlSnapshotStore(database).load()
        if snapshot is None:
            raise Unavailable("There is no snapshot yet; control publishes one when it starts.", retry_after_s=1)
        lock = WorkerLock.acquire(folder, boot.worker)
        undo.callback(lock.release)
        leases = SqlLeaseStore(database)
        opened_at = time.monotonic()
        epoch = await leases.open_worker(boot.worker, after_epoch=JournalReader(folder).highest_epoch(boot.worker))
        journal = JournalWriter(folder, boot.worker, epoch.holder.epoch, lock=lock)
        undo.pop_all()
    return _Opened(
        database=database,
        lock=lock,
        journal=journal,
        leases=leases,
        epoch=epoch,
        opened_at=opened_at,
        snapshot=snapshot,
        deltas_seen=deltas_seen,
    )
