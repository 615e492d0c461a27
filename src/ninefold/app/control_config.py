"""The configuration file as control keeps it: what is valid comes into force, what is not is refused and told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.migrate import is_current, migrate
from ninefold.app.config import Config, load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.logging import Log
from ninefold.app.publish_config import ConfigPublisher
from ninefold.app.watch import ConfigWatcher
from ninefold.http.api_state import ConfigProblem, ConfigStatus

# Read once, by the supervisor.
_AT_START = ("server.host", "server.port", "server.control_port", "server.workers", "server.drain_s", "data_dir", "database", "audit")


class ConfigKeeper:
    """Two loops: `follow` brings what is valid into force, `refresh` keeps it true."""

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        database: Database,
        publisher: ConfigPublisher,
        log: Log,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._environ = environ
        self._database = database
        self._publisher = publisher
        self._log = log
        self._clock = clock
        self._migrated = False
        self._watcher: ConfigWatcher | None = None
        self._first: Config | None = None
        self._config: Config | None = None
        self._pending: Config | None = None
        self._loaded_at = self._checked_at = clock()
        self._problems: tuple[ConfigProblem, ...] = ()
        self._version = 0

    async def follow(self) -> None:
        """What was written before the last look is in force, or refused with its reasons. One look; call it every half a second.

        Raises: Unavailable where the database does not answer; what was to come into force then does with the next call.
        """
        if not self._migrated:
            if not await asyncio.to_thread(is_current, self._database):
                await asyncio.to_thread(migrate, self._database)
            self._migrated = True
        if self._pending is not None:
            await self._apply(self._pending)
        if self._config is None:
            await self._apply(await asyncio.to_thread(self._load))
        if self._watcher is None and self._config is not None:
            self._watcher = ConfigWatcher(self._config, self._environ)
            # What was written after the first read and before the watcher was made is no change to the watcher.
            await self._apply(await asyncio.to_thread(self._load))
        found = await self._watcher.look() if self._watcher is not None else None
        if found is not None:
            await self._apply(found)

    async def refresh(self) -> None:
        """The configuration in force is compiled anew: a price may begin, a secret file may have changed, and the maker of a key may
        have died before it was published. Raises: Unavailable."""
        if self._config is not None and self._pending is None:
            try:
                await self._publish(self._config)
            except ConfigInvalid as error:
                self._refuse(error)

    @property
    def settled(self) -> bool:
        """Whether the file was read once, and nothing waits for the database."""
        return self._pending is None and (self._config is not None or bool(self._problems))

    def status(self) -> ConfigStatus:
        """How the last read went."""
        return ConfigStatus(
            file=str(self._path) if self._path is not None else None,
            state="refused" if self._problems else "in_force",
            snapshot_version=self._version,
            loaded_at=self._loaded_at,
            checked_at=self._checked_at,
            problems=list(self._problems),
            restart_needed=self._restart_needed(),
        )

    def _load(self) -> Config | ConfigInvalid:
        try:
            return load_config(self._path, self._environ)
        except ConfigInvalid as error:
            return error

    async def _apply(self, found: Config | ConfigInvalid) -> None:
        self._checked_at = self._clock()
        if isinstance(found, ConfigInvalid):
            self._refuse(found)
            return
        self._pending = found
        try:
            await self._publish(found)
        except ConfigInvalid as error:
            self._pending = None
            self._refuse(error)
            return
        self._pending = None
        self._config = found
        self._first = self._first or found
        self._loaded_at = self._checked_at
        self._problems = ()
        waiting = self._restart_needed()
        if waiting:
            self._log.warning("config.restart_needed", settings=waiting)

    def _refuse(self, error: ConfigInvalid) -> None:
        """In force stays what was: `_config` is not touched, and neither is the snapshot."""
        problems = tuple(
            ConfigProblem(source=each.source, line=each.line, column=each.column, path=each.path, message=each.message)
            for each in error.problems
        )
        if problems != self._problems:
            self._log.error("config.refused", problems=[str(each) for each in error.problems])
        self._problems = problems

    async def _publish(self, config: Config) -> None:
        snapshot, fresh = await self._publisher.publish(config, self._clock())
        self._version = snapshot.version
        if fresh:
            self._log.info("snapshot.published", version=snapshot.version, digest=snapshot.digest)

    def _restart_needed(self) -> list[str]:
        if self._first is None or self._config is None:
            return []
        return [name for name in _AT_START if _setting(self._first, name) != _setting(self._config, name)]


def _setting(config: Config, name: str) -> object:
    value: object = config
    for step in name.split("."):
        value = getattr(value, step)
    return value
