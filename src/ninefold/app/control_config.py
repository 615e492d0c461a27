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
from ninefold.http.api_state import ConfigProblem, ConfigStatus

# Read once, by the supervisor.
_AT_START = ("server.host", "server.port", "server.control_port", "server.workers", "server.drain_s", "data_dir", "database")
# How often the configuration in force is compiled anew, for prices that begin and for keys whose maker died before it published them.
_RECOMPILE_S = 5.0


class ConfigKeeper:
    """Call `step` often; it reads the file when it has changed."""

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
        self._seen: tuple[int, int, int] | None = None
        self._first: Config | None = None
        self._config: Config | None = None
        self._compiled_at = 0.0
        self._loaded_at = self._checked_at = clock()
        self._problems: tuple[ConfigProblem, ...] = ()
        self._version = 0

    async def step(self) -> None:
        """The file as it stands is in force, or refused with its reasons. Raises: Unavailable where the database does not answer."""
        if not self._migrated:
            if not await asyncio.to_thread(is_current, self._database):
                await asyncio.to_thread(migrate, self._database)
            self._migrated = True
        now = self._clock()
        stamp = self._stamp()
        if stamp != self._seen or self._checked_at == 0.0:
            await self._reload(now)
            self._seen = stamp
        elif self._config is not None and not self._problems and not 0 <= now - self._compiled_at < _RECOMPILE_S:
            await self._publish(self._config, now)

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

    def _stamp(self) -> tuple[int, int, int]:
        """Differs whenever the file does: editors replace it, others write into it."""
        if self._path is None:
            return (0, 0, 0)
        try:
            found = self._path.stat()
        except OSError:
            return (-1, -1, -1)
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    async def _reload(self, now: float) -> None:
        try:
            config = await asyncio.to_thread(load_config, self._path, self._environ)
            await self._publish(config, now)
        except ConfigInvalid as error:
            self._checked_at = now
            self._problems = tuple(
                ConfigProblem(source=each.source, line=each.line, column=each.column, path=each.path, message=each.message)
                for each in error.problems
            )
            # In force stays what was: `_config` is not touched, and neither is the snapshot.
            self._log.error("config.refused", problems=[str(each) for each in error.problems])
            return
        self._config = config
        self._first = self._first or config
        self._checked_at = self._loaded_at = now
        self._problems = ()
        waiting = self._restart_needed()
        if waiting:
            self._log.warning("config.restart_needed", settings=waiting)

    async def _publish(self, config: Config, now: float) -> None:
        snapshot, fresh = await self._publisher.publish(config, now)
        self._version = snapshot.version
        self._compiled_at = now
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
