"""Checks of a machine and a configuration: what is well, what is not, and what to do next."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ninefold.app.config import Config, load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.process_lock import running_supervisor
from ninefold.app.process_socket import is_free
from ninefold.domain.errors import NinefoldError

OK, WARN, FAIL = "ok", "warn", "fail"
_PINNED_UVLOOP = "0.22.1"
_LOW_DISK_BYTES = 1024**3
_NO_DISK_BYTES = 64 * 1024**2
_CLOCK_SLACK_S = 60.0
_RELEASED_AT = 1_760_000_000  # seconds since the epoch: no clock that is right says less


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check. `next` is what to do, "" where there is nothing."""

    check: str
    status: str
    detail: str
    next: str = ""

    def to_document(self) -> dict[str, str]:
        """As a JSON object."""
        return asdict(self)


def examine(path: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding, in the order a reader would act on them."""
    yield _python()
    yield _uvloop()
    yield _sqlite()
    try:
        config = load_config(path, environ)
    except ConfigInvalid as error:
        for problem in error.problems:
            yield Finding(check="configuration", status=FAIL, detail=str(problem), next="Correct this line.")
        return
    where = str(path) if path is not None else "the embedded defaults"
    yield Finding(check="configuration", status=OK, detail=f"{where}: {len(config.deployments)} deployments, {len(config.tenants)} tenants")
    yield from _secrets(config, environ)
    data_dir = config.path(config.data_dir)
    supervisor = running_supervisor(data_dir)
    yield from _ports(config, supervisor)
    yield _data_dir(data_dir)
    yield _disk(data_dir)
    yield _clock(data_dir, time.time())
    yield from _database(config, environ, data_dir)
    if config.local.enabled:
        yield _embedding(data_dir)


def _python() -> Finding:
    # An older Python than we take cannot have installed us; a newer one than is tested may still run.
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.implementation.name != "cpython":
        return Finding(check="python", status=WARN, detail=f"{sys.implementation.name} {version} is not tested", next="Use CPython.")
    return Finding(check="python", status=OK, detail=f"Python {version}")


def _uvloop() -> Finding:
    try:
        found = metadata.version("uvloop")
    except metadata.PackageNotFoundError:
        return Finding(check="uvloop", status=FAIL, detail="not installed", next=f"pip install uvloop=={_PINNED_UVLOOP}")
    if found != _PINNED_UVLOOP:
        detail = f"{found}; 0.23 answers a third fewer requests"
        return Finding(check="uvloop", status=WARN, detail=detail, next=f"pip install uvloop=={_PINNED_UVLOOP}")
    return Finding(check="uvloop", status=OK, detail=found)


def _sqlite() -> Finding:
    from ninefold.adapters.sql.engine import wal_is_safe  # noqa: PLC0415  # SQLAlchemy may be what is broken

    info = sqlite3.sqlite_version_info
    if wal_is_safe((info[0], info[1], info[2])):
        return Finding(check="sqlite", status=OK, detail=f"SQLite {sqlite3.sqlite_version}: write-ahead log")
    detail = f"SQLite {sqlite3.sqlite_version}: rollback journal, because its write-ahead log can corrupt a database with several writers"
    return Finding(
        check="sqlite", status=WARN, detail=detail, next="Works as it is; for more writes use SQLite 3.51.3 or newer, or PostgreSQL."
    )


def _secrets(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    from ninefold.app.compile import secret_ref  # noqa: PLC0415  # only a valid configuration gets here
    from ninefold.app.secrets import SecretMissing, Secrets  # noqa: PLC0415  # as above

    secrets = Secrets(environ)
    wanted = [(f"deployment {each.name}", each.api_key) for each in config.deployments if each.api_key is not None]
    wanted += [(f"key {key.name} of tenant {tenant.name}", key.secret) for tenant in config.tenants for key in tenant.keys]
    if config.database.password is not None:
        wanted.append(("database", config.database.password))
    missing = 0
    for whose, secret in wanted:
        try:
            secrets.read(secret_ref(config, secret))
        except SecretMissing as error:
            missing += 1
            yield Finding(check="secrets", status=WARN, detail=f"{whose}: {error.detail}", next=f"Provide {secret} before `ninefold up`.")
    if not missing:
        yield Finding(check="secrets", status=OK, detail=f"all {len(wanted)} references lead to a secret")


def _ports(config: Config, supervisor: int | None) -> Iterator[Finding]:
    server = config.server
    ports = (("server.port", server.host, server.port), ("server.control_port", "127.0.0.1", server.effective_control_port))
    for setting, host, port in ports:
        if is_free(host, port):
            yield Finding(check="ports", status=OK, detail=f"{host}:{port} is free")
        elif supervisor is not None:
            yield Finding(check="ports", status=OK, detail=f"{host}:{port} is in use by Ninefold (process {supervisor})")
        else:
            yield Finding(
                check="ports", status=FAIL, detail=f"{host}:{port} is in use by another program", next=f"Stop it, or change {setting}."
            )


def _data_dir(data_dir: Path) -> Finding:
    if not data_dir.exists():
        parent = next(folder for folder in data_dir.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return Finding(check="data_dir", status=OK, detail=f"{data_dir} will be made at the first start")
        return Finding(check="data_dir", status=FAIL, detail=f"{parent} cannot be written", next="Choose another data_dir.")
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            check="data_dir", status=FAIL, detail=f"{data_dir} cannot be written", next=f"chown {data_dir} to the user that runs Ninefold."
        )
    mode = stat.S_IMODE(data_dir.stat().st_mode)
    if mode & 0o077:
        return Finding(check="data_dir", status=WARN, detail=f"{data_dir} is open to other users ({mode:o})", next=f"chmod 700 {data_dir}")
    return Finding(check="data_dir", status=OK, detail=f"{data_dir} ({mode:o})")


def _disk(data_dir: Path) -> Finding:
    there = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1024**3:.1f} GiB free at {there}"
    if free < _NO_DISK_BYTES:
        return Finding(check="disk", status=FAIL, detail=detail, next="Free some space: without a record there is no answer.")
    if free < _LOW_DISK_BYTES:
        return Finding(check="disk", status=WARN, detail=detail, next="Free some space soon.")
    return Finding(check="disk", status=OK, detail=detail)


def _clock(data_dir: Path, now: float) -> Finding:
    kept = data_dir / "run" / "snapshot"
    last = kept.stat().st_mtime if kept.exists() else 0.0
    if now < _RELEASED_AT or now < last - _CLOCK_SLACK_S:
        shown = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(now))
        detail = f"it is {shown} here, which has passed already: budget windows would be wrong"
        return Finding(check="clock", status=FAIL, detail=detail, next="Set the clock, and keep it with NTP.")
    return Finding(check="clock", status=OK, detail="plausible")


def _database(config: Config, environ: Mapping[str, str], data_dir: Path) -> Iterator[Finding]:
    from ninefold.adapters.sql.migrate import is_current  # noqa: PLC0415  # as for SQLite
    from ninefold.app.process_database import open_for  # noqa: PLC0415  # as above
    from ninefold.app.process_house import boot_of  # noqa: PLC0415  # as above

    kind = config.database.url.partition(":")[0]
    if kind == "sqlite" and not data_dir.exists():
        yield Finding(check="database", status=OK, detail="sqlite: will be made at the first start")
        return
    try:
        database = open_for(boot_of(config), environ)
        try:
            current = is_current(database)
        finally:
            database.close()
    except NinefoldError as error:
        detail = f"{kind}: {error.detail}"
        yield Finding(check="database", status=FAIL, detail=detail, next="Start it, or correct `database` in the configuration.")
        return
    if current:
        yield Finding(check="database", status=OK, detail=f"{kind}: reachable, schema up to date")
    else:
        yield Finding(check="database", status=WARN, detail=f"{kind}: reachable, schema not up to date", next="`ninefold up` migrates it.")


def _embedding(data_dir: Path) -> Finding:
    from ninefold.adapters.minilm.build import find_built  # noqa: PLC0415  # an extra that need not be installed
    from ninefold.adapters.minilm.source import find_source  # noqa: PLC0415  # as above

    try:
        built = find_built(find_source(), data_dir)
    except NinefoldError as error:
        return Finding(
            check="local/embed", status=WARN, detail=error.detail, next="Requests for local/embed fail until then; nothing else does."
        )
    if built is None:
        return Finding(check="local/embed", status=OK, detail="installed; it is built at its first use (about 10 s)")
    return Finding(check="local/embed", status=OK, detail=f"built at {built.path}")
