"""Keeps a gateway worker at the newest snapshot, and ahead of it where the delta log is."""

from __future__ import annotations

import json
from collections.abc import Callable

from ninefold.app.logging import Log
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Snapshot
from ninefold.http.data_plane import DataPlane
from ninefold.identity.authenticate import KeyIndex
from ninefold.ports.delta_log import Delta, DeltaKind, DeltaLog
from ninefold.ports.snapshot_store import SnapshotStore
from ninefold.routing.board import BreakerBoard

_BATCH = 500


class Follower:
    """One step reads the delta log and the snapshot's version; both are one row where nothing has changed.

    `use` is called with each new snapshot. `last_contact` is the monotonic time of the last successful step.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        snapshots: SnapshotStore,
        deltas: DeltaLog,
        board: BreakerBoard,
        *,
        seen: int,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        changed: Callable[[], None],
        log: Log,
    ) -> None:
        self._plane = data_plane
        self._snapshots = snapshots
        self._deltas = deltas
        self._board = board
        self._seen = seen
        self._revoked: set[str] = set()
        self._monotonic = monotonic
        self._wall = wall
        self._changed = changed
        self._log = log
        self.last_contact = monotonic()

    async def step(self) -> None:
        """Everything published before this call counts. Raises: Unavailable."""
        for report in self._board.take_reports():
            await self._deltas.append(report.kind, report.deployment, report.payload())
        while deltas := await self._deltas.since(self._seen, _BATCH):
            if deltas[0].seq > self._seen + 1:
                await self._reload()
            for delta in deltas:
                self._apply(delta)
                self._seen = delta.seq
        if await self._snapshots.version() > self._plane.gateway.snapshot.version:
            await self._reload()
        self.last_contact = self._monotonic()

    def _apply(self, delta: Delta) -> None:
        match delta.kind:
            case DeltaKind.KEY_REVOKED:
                self._revoked.add(delta.subject)
                self._plane.keys.revoke(delta.subject)
                ended = self._plane.gateway.inflight.kill_key(delta.subject, "The key of this request was revoked.")
                self._log.info("key.revoked", key_id=delta.subject, ended=ended)
            case DeltaKind.BREAKER_OPENED:
                told = json.loads(delta.payload)
                self._board.merge(delta.subject, told["by"], told["for_s"] - (self._wall() - delta.at))
            case DeltaKind.BREAKER_CLOSED:
                self._board.closed(delta.subject, json.loads(delta.payload)["by"])
            case _:
                self._log.info("delta.ignored", kind=delta.kind)

    async def _reload(self) -> None:
        snapshot = await self._snapshots.load()
        if snapshot is None:
            raise Unavailable("The store has no snapshot; control publishes one when it starts.")
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Requests from now on are judged by `snapshot`; what runs under a key that is gone is ended."""
        before, after = ({key.key_id for key in each.keys} for each in (self._plane.gateway.snapshot, snapshot))
        self._plane.keys = KeyIndex(snapshot, revoked=self._revoked)
        self._plane.gateway.use(snapshot)
        self._plane.gateway.inflight.readmit(after - before - self._revoked)
        for key_id in before - after:
            self._plane.gateway.inflight.kill_key(key_id, "The key of this request was revoked.")
        self._changed()
        self._log.info("snapshot.swapped", version=snapshot.version)
