"""Notices that the configuration changed on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from ninefold.app.config import Config, load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.policy_files import policy_files

# Path, modification time in ns, size and inode of a file; the path alone where there is none.
_Mark = tuple[str, int, int, int] | tuple[str]


class ConfigWatcher:
    """Looks at the file of `config`, the policy files and the secret files that it names: unlike notifications, looking works on
    every file system, a network's and a mounted ConfigMap's too.

    A change counts once two looks have found the same, so that a file in the middle of being written is not read. What cannot be
    loaded is handed over as `ConfigInvalid`; what is in force stays so.
    """

    def __init__(self, config: Config, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> None:
        self._config = config
        self._path = config.file
        self._environ = environ
        self._overrides = overrides
        self._known = self._last = self._marks()

    async def look(self) -> Config | ConfigInvalid | None:
        """The new configuration, or why it is refused; None where nothing changed, where a change is still young, or where there is
        no file."""
        if self._path is None:
            return None
        found = None
        seen = self._marks()
        if seen != self._known and seen == self._last:
            found = await asyncio.to_thread(self._load)
            # The file as it was before it was read; the others as the new configuration names them. Taken before the caller goes to
            # work, so that nothing which changes meanwhile is missed.
            self._known = seen = (seen[0], *self._marks()[1:])
        self._last = seen
        return found

    def _load(self) -> Config | ConfigInvalid:
        try:
            self._config = load_config(self._path, self._environ, self._overrides)
        except ConfigInvalid as invalid:
            return invalid
        return self._config

    def _marks(self) -> tuple[_Mark, ...]:
        return tuple(_mark(path) for path in self._watched())

    def _watched(self) -> Iterator[Path]:
        if self._path is not None:
            yield self._path
        yield from sorted({self._config.path(written) for written in _secret_files(self._config)})
        for pattern in self._config.policies:
            yield from map(Path, policy_files(pattern, self._config.base_dir))


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return (str(path),)
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def _secret_files(config: Config) -> Iterator[str]:
    secrets = [each.api_key for each in config.deployments]
    secrets += [key.secret for tenant in config.tenants for key in tenant.keys]
    for secret in (*secrets, config.database.password):
        if secret is not None and secret.file is not None:
            yield secret.file
