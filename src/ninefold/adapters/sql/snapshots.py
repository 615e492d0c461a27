"""The snapshot in force, in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from ninefold.adapters.sql.acts import append_act
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.schema import snapshot_version, snapshots
from ninefold.domain.errors import Conflict
from ninefold.domain.snapshot import Snapshot
from ninefold.wire import snapshot as codec

_KEEP = 10  # enough to see what changed; what is in force is the newest


class SqlSnapshotStore:
    """A `SnapshotStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, snapshot: Snapshot) -> None:
        body = codec.encode(snapshot)
        await self._database.run(lambda connection: _publish(connection, snapshot, body))

    async def version(self) -> int:
        return await self._database.run(
            lambda connection: connection.execute(select(snapshot_version.c.version)).scalar_one(), reading=True
        )

    async def load(self) -> Snapshot | None:
        in_force = select(snapshots.c.body).join(snapshot_version, snapshot_version.c.version == snapshots.c.version)
        body = await self._database.run(lambda connection: connection.execute(in_force).scalar(), reading=True)
        return None if body is None else codec.decode(body)


def _publish(connection: Connection, snapshot: Snapshot, body: bytes) -> None:
    move = update(snapshot_version).where(snapshot_version.c.version < snapshot.version).values(version=snapshot.version)
    if connection.execute(move).rowcount == 0:
        # Nothing moved. A commit whose answer was lost is published again, and that is no conflict.
        same = select(snapshots.c.body).join(snapshot_version, snapshot_version.c.version == snapshots.c.version)
        if connection.execute(same.where(snapshots.c.version == snapshot.version)).scalar() == body:
            return
        raise Conflict(f"snapshot {snapshot.version} was not published: another control process has published this or a later one")
    connection.execute(delete(snapshots).where(snapshots.c.version <= snapshot.version - _KEEP))
    row = {"version": snapshot.version, "digest": snapshot.digest, "compiled_at": snapshot.compiled_at, "body": body}
    connection.execute(insert(snapshots).values(row))
    detail = {"digest": snapshot.digest, "policy_version": snapshot.policy_version}
    append_act(connection, "configuration.published", str(snapshot.version), detail, snapshot.compiled_at)
