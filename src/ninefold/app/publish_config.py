"""How a configuration comes into force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ninefold.adapters.genai_prices.catalogue import GenaiPrices
from ninefold.adapters.snapshot_file.file import SnapshotFile
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.keys import SqlKeyStore
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.app.compile import compile_snapshot
from ninefold.app.config import Config
from ninefold.app.publish import publish_change
from ninefold.app.secrets import Secrets
from ninefold.domain.snapshot import Snapshot


def snapshot_file(data_dir: Path) -> SnapshotFile:
    """The copy of the snapshot from which a gateway starts where the database does not answer."""
    return SnapshotFile(data_dir / "run" / "snapshot")


class ConfigPublisher:
    """Compiles a configuration together with the stored keys, and publishes what changed to the database and the file on disk.

    `warn` hears each warning of the compiler once until it is gone and comes back.
    """

    def __init__(self, database: Database, data_dir: Path, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self._keys = SqlKeyStore(database)
        self._snapshots = SqlSnapshotStore(database)
        self._file = snapshot_file(data_dir)
        self._secrets = Secrets(environ)
        self._warn = warn
        self._warned: set[str] = set()
        self._catalogue = GenaiPrices()

    async def publish(self, config: Config, now: float) -> tuple[Snapshot, bool]:
        """The snapshot in force, and whether it is new. Raises: ConfigInvalid where the configuration and the stored keys clash;
        Unavailable."""
        heard: set[str] = set()

        async def compiled(before: Snapshot | None) -> Snapshot:
            # Listed after `before` was loaded: a key made in between has published a version that ours then clashes with.
            stored = [held.key for held in await self._keys.list(None) if held.revoked_at is None]
            return compile_snapshot(
                config,
                stored,
                version=before.version if before is not None else 0,
                now=now,
                resolve=self._secrets.read,
                catalogue=self._catalogue,
                warn=heard.add,
            )

        snapshot, fresh = await publish_change(self._snapshots, compiled, now)
        for text in sorted(heard - self._warned):
            self._warn(text)
        self._warned = heard
        await self.mirror(snapshot)
        return snapshot, fresh

    async def mirror(self, snapshot: Snapshot) -> None:
        """The file on disk holds `snapshot`, or a later one."""
        if await self._file.version() < snapshot.version:
            await self._file.publish(snapshot)
