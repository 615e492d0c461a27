"""The control process: every binding of the control plane, on one page."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.app.admin_key import AdminKey
from ninefold.app.audit_wiring import CHECK_S, SEQUENCE_S, AuditTrail
from ninefold.app.control_config import ConfigKeeper
from ninefold.app.lifespan import Lifespan
from ninefold.app.logging import Log
from ninefold.app.process_boot import Boot
from ninefold.app.process_database import open_for
from ninefold.app.process_store import books_of, keys_of, projector_of
from ninefold.app.publish_config import ConfigPublisher
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Snapshot
from ninefold.http.api_app import control_api
from ninefold.http.api_keys import keys_router
from ninefold.http.api_ledger import ledger_router
from ninefold.http.api_state import ConfigStatus, Health, LoopHealth, SnapshotFacts, state_router

_WATCH_S = 0.5
_REFRESH_S = 5.0
_MIRROR_S = 0.5
_PROJECT_S = 0.2


class Control:
    """Owns the configuration, the projection of the ledger, the audit log, and the API."""

    def __init__(self, boot: Boot, environ: Mapping[str, str], log: Log) -> None:
        data_dir = Path(boot.data_dir)
        self._database = open_for(boot, environ)
        self._snapshots = SqlSnapshotStore(self._database)
        self._publisher = ConfigPublisher(self._database, data_dir, environ, lambda text: log.warning("config.warned", warning=text))
        path = Path(boot.config) if boot.config else None
        self._keeper = ConfigKeeper(path, environ, self._database, self._publisher, log, clock=time.time)
        self._known: Snapshot | None = None
        self._admin = AdminKey(data_dir)
        self._lifespan = Lifespan(log)
        self._lifespan.add("config", self._keeper.follow, every_s=_WATCH_S)
        self._lifespan.add("refresh", self._keeper.refresh, every_s=_REFRESH_S)
        self._trail = AuditTrail(self._database, data_dir, alarm=log.error, witness=boot.witness)
        self._projector = projector_of(self._database, data_dir, self._trail.may_delete)
        self._lifespan.add("ledger", self._projector.step, every_s=_PROJECT_S)
        self._lifespan.add("audit", self._trail.step, every_s=SEQUENCE_S)
        self._lifespan.add("audit_check", self._trail.check, every_s=CHECK_S)
        self._lifespan.add("snapshot", self._mirror, every_s=_MIRROR_S)
        self.api = self._make_api(log)

    def start(self) -> None:
        """Every loop runs."""
        self._lifespan.start()

    async def stop(self) -> None:
        """No loop runs, no connection is open."""
        await self._lifespan.stop()
        self._database.close()

    async def snapshot(self) -> SnapshotFacts:
        """The snapshot in force. Raises: Unavailable."""
        known = await self._current()
        return SnapshotFacts(
            version=known.version,
            digest=known.digest,
            policy_version=known.policy_version,
            compiled_at=known.compiled_at,
            deployments=len(known.deployments),
            models=len(known.models),
            tenants=len(known.tenants),
            keys=len(known.keys),
        )

    def config_status(self) -> ConfigStatus:
        """How the last read of the configuration went."""
        return self._keeper.status()

    def health(self) -> Health:
        """How each loop does."""
        loops = [
            LoopHealth(name=state.name, running=state.running, rounds=state.rounds, failures=state.failures, last_error=state.last_error)
            for state in self._lifespan.states()
        ]
        return Health(status="ok" if self._lifespan.healthy else "degraded", loops=loops)

    def metrics(self) -> str:
        """Prometheus text."""
        lines = ["# TYPE ninefold_control_loop_failures gauge"]
        lines += [f'ninefold_control_loop_failures{{loop="{state.name}"}} {state.failures}' for state in self._lifespan.states()]
        lines += ["# TYPE ninefold_journals_unreadable gauge", f"ninefold_journals_unreadable {len(self._projector.unreadable)}"]
        status = self._keeper.status()
        lines += ["# TYPE ninefold_snapshot_version gauge", f"ninefold_snapshot_version {status.snapshot_version}"]
        lines += ["# TYPE ninefold_config_refused gauge", f"ninefold_config_refused {int(status.state == 'refused')}"]
        lines += self._trail.metrics()
        return "\n".join(lines) + "\n"

    def _make_api(self, log: Log) -> FastAPI:
        return control_api(
            [keys_router(keys_of(self._database)), ledger_router(books_of(self._database)), state_router(self)],
            version=version("ninefold"),
            is_admin=self._admin.matches,
            is_ready=lambda: self._keeper.settled and self._lifespan.healthy,
            metrics=self.metrics,
            report=log.error,
        )

    async def _current(self) -> Snapshot:
        """The snapshot in force, loaded anew only when its version changed."""
        if self._known is None or await self._snapshots.version() != self._known.version:
            self._known = await self._snapshots.load()
        if self._known is None:
            raise Unavailable("No snapshot is in force yet.", retry_after_s=1)
        return self._known

    async def _mirror(self) -> None:
        """What anybody published (the command line makes keys too) is on disk as well."""
        await self._publisher.mirror(await self._current())


def listener_of(boot: Boot) -> socket.socket:
    """The socket that the supervisor made; it stays open there when this process ends."""
    assert boot.fd is not None, "control is started by the supervisor"
    listener = socket.socket(fileno=boot.fd)
    os.set_inheritable(boot.fd, False)  # positional by its signature
    return listener
