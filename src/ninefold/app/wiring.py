"""Every binding of a gateway worker, on one page."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ninefold.adapters.events.ndjson import NdjsonEventLog
from ninefold.adapters.http1.client import Http1Client
from ninefold.adapters.http1.server import HttpServer, ServerLimits
from ninefold.adapters.journal.lock import WorkerLock
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.adapters.jsonschema_rs.verdict import verdict
from ninefold.adapters.snapshot_file.file import SnapshotFile
from ninefold.adapters.sql.deltas import SqlDeltaLog
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.adapters.vendor_http.upstream import HttpUpstream
from ninefold.app.follow import Follower
from ninefold.app.logging import Log
from ninefold.app.observe import Observer
from ninefold.app.process_boot import Boot
from ninefold.app.process_database import open_for
from ninefold.app.secrets import Secrets
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Snapshot
from ninefold.finops.meter import LeasedMeter
from ninefold.finops.recorder import JournalRecorder
from ninefold.gateway.complete import Gateway, Parts
from ninefold.gateway.dispatch import Dispatch
from ninefold.http.control_proxy import ControlProxy
from ninefold.http.data_plane import DataPlane, Surroundings
from ninefold.http.visit import Ids
from ninefold.identity.authenticate import KeyIndex
from ninefold.policy.decide import AllowListPolicy
from ninefold.routing.board import BreakerBoard
from ninefold.routing.plan import PriorityRouter
from ninefold.wire.dialects.anthropic import AnthropicDialect
from ninefold.wire.dialects.openai import OpenAiDialect
from ninefold.wire.dialects.tools_offered import offered

JOURNAL_FOLDER = "journal"
EVENTS_FOLDER = "events"
SNAPSHOT_FILE = "run/snapshot"


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

    async def close(self) -> None:
        """Nothing is open any more."""
        await self.client.close()
        await self.events.close()
        self.journal.close()
        self.lock.release()
        self.database.close()


async def wire_gateway(boot: Boot, environ: Mapping[str, str], log: Log) -> GatewayWiring:
    """A worker, ready to listen. Raises: Unavailable where there is neither a database nor a snapshot on disk, or no journal."""
    data_dir = Path(boot.data_dir)
    database = open_for(boot, environ)
    deltas, snapshots = SqlDeltaLog(database), SqlSnapshotStore(database)
    head = await deltas.head()
    snapshot = await _first_snapshot(snapshots, SnapshotFile(data_dir / SNAPSHOT_FILE), log)
    lock = WorkerLock.acquire(data_dir / JOURNAL_FOLDER, boot.worker)
    leases = SqlLeaseStore(database)
    opened_at = time.monotonic()
    opened = await leases.open_worker(boot.worker)
    epoch = opened.holder.epoch
    journal = JournalWriter(data_dir / JOURNAL_FOLDER, boot.worker, epoch, lock=lock)
    events = NdjsonEventLog(data_dir / EVENTS_FOLDER, worker=boot.worker.replace("-", "_"), epoch=epoch)
    meter = LeasedMeter(journal, leases, opened, opened_at=opened_at, monotonic=time.monotonic, wall=time.time)
    recorder, router = JournalRecorder(journal), PriorityRouter()
    board = BreakerBoard(boot.worker, time.monotonic)
    client = Http1Client()
    upstream = HttpUpstream(
        client, {"openai": OpenAiDialect(), "local": OpenAiDialect(), "anthropic": AnthropicDialect()}, Secrets(environ).read
    )
    dispatch = Dispatch(upstream, meter, recorder, router, board, random.random)
    parts = Parts(
        policy=AllowListPolicy(),
        router=router,
        meter=meter,
        recorder=recorder,
        board=board,
        dispatch=dispatch,
        wall=time.time,
        monotonic=time.monotonic,
        offered=offered,
        verdict=verdict,
    )
    gateway = Gateway(parts, snapshot)
    observer = Observer(events, data_dir / "run", boot.worker, board, gateway.inflight, monotonic=time.monotonic, wall=time.time)
    around = Surroundings(
        ids=Ids(f"{boot.worker}-{epoch:x}", random.Random().getrandbits),
        wall=time.time,
        monotonic=time.monotonic,
        metrics_text=observer.text,
        unready=lambda: "",
        control=ControlProxy(client, boot.control or "http://127.0.0.1:8081"),
        observe=observer.observe,
    )
    plane = DataPlane(gateway, KeyIndex(snapshot), around)
    server = HttpServer(plane.handle, plane.stray_error, ServerLimits())
    follower = Follower(
        plane, snapshots, deltas, board, seen=head, monotonic=time.monotonic, wall=time.time, changed=upstream.refresh, log=log
    )
    observer.watch(server, meter)
    return GatewayWiring(
        database=database,
        journal=journal,
        lock=lock,
        events=events,
        client=client,
        meter=meter,
        data_plane=plane,
        server=server,
        follower=follower,
        metrics=observer,
    )


async def _first_snapshot(store: SqlSnapshotStore, kept: SnapshotFile, log: Log) -> Snapshot:
    try:
        snapshot = await store.load()
    except Unavailable as error:
        log.warning("snapshot.from_disk", reason=error.detail)
        snapshot = await kept.load()
    if snapshot is None:
        raise Unavailable("There is no snapshot to start from; `ninefold up` makes one.")
    return snapshot
