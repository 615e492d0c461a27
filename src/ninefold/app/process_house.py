"""Everything that `ninefold up` needs before it starts its first process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ninefold.app.admin_key import ensure_admin_key
from ninefold.app.compile import WORKER_SOCKET
from ninefold.app.config import Config, load_config
from ninefold.app.process_boot import Boot
from ninefold.app.process_child import CONTROL, GATEWAY, PROJECTOR, WORKER
from ninefold.app.process_lock import DataDirLock
from ninefold.app.process_node import node_id
from ninefold.app.process_socket import listen, listen_unix
from ninefold.app.supervisor import House
from ninefold.domain.errors import Conflict, Unavailable

ROLES = (GATEWAY, CONTROL, WORKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A house ready to be run, and what its owner is told. `new_admin_key` is the file of a key that was made just now."""

    house: House
    lock: DataDirLock
    data_dir: Path
    url: str | None
    control_url: str | None
    new_admin_key: Path | None


def prepare(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    roles: Sequence[str],
    *,
    log_level: str,
    report: Callable[..., None],
) -> Prepared:
    """The data directory is ours, and the sockets listen; the store is filled when the house is run.

    `report(event, **fields)` hears of each step of that.
    Raises: ConfigInvalid; Conflict where the directory or a port is taken; Unavailable.
    """
    config = load_config(path, environ, overrides)
    data_dir = config.path(config.data_dir)
    make_data_dir(data_dir)
    lock = DataDirLock.acquire(data_dir)
    sockets: dict[str, socket.socket] = {}
    try:
        server = config.server
        if GATEWAY in roles:
            sockets[GATEWAY] = listen(server.host, server.port, setting="server.port")
        if CONTROL in roles:
            # Loopback whatever `server.host` says: gateways are its door to the outside.
            sockets[CONTROL] = listen("127.0.0.1", server.effective_control_port, setting="server.control_port")
        if WORKER in roles:
            # Ours, so that a request for a local model waits for a worker that is starting instead of being refused.
            sockets[WORKER] = listen_unix(data_dir / WORKER_SOCKET)
        control_port = _port(sockets[CONTROL]) if CONTROL in sockets else server.effective_control_port
        boot = boot_of(config, control=f"http://127.0.0.1:{control_port}", log_level=log_level)
        new_admin_key = ensure_admin_key(data_dir) if CONTROL in roles else None

        def fill() -> None:
            if CONTROL in roles:
                _fill_store(config, boot, data_dir, environ, report)

        counts = {role: (server.workers if role == GATEWAY else 1) for role in roles}
        if GATEWAY in roles and CONTROL not in roles:
            counts[PROJECTOR] = 1  # this machine's journals are projected here; control does it where there is one
        house = House(boot=boot, node=node_id(data_dir), counts=counts, sockets=sockets, keep_fds=(lock.fd,), fill=fill)
    except BaseException:
        for each in sockets.values():
            each.close()
        lock.release()
        raise
    return Prepared(
        house=house,
        lock=lock,
        data_dir=data_dir,
        url=_url(server.host, _port(sockets[GATEWAY])) if GATEWAY in sockets else None,
        control_url=boot.control if CONTROL in sockets else None,
        new_admin_key=new_admin_key,
    )


def boot_of(config: Config, *, control: str = "", log_level: str = "info") -> Boot:
    """What every process of this configuration has in common."""
    password = config.database.password
    reference = ""
    if password is not None:
        reference = f"env:{password.env}" if password.env is not None else f"file:{config.path(password.file or '')}"
    return Boot(
        data_dir=str(config.path(config.data_dir)),
        database=config.database.url,
        database_password=reference,
        control=control,
        drain_s=config.server.drain_s,
        config=str(config.file.absolute()) if config.file is not None else "",
        witness=str(config.path(config.audit.witness)) if config.audit.witness else "",
        log_level=log_level,
    )


def make_data_dir(data_dir: Path) -> None:
    """The directory and its `run` folder exist and belong to their owner alone. Raises: Conflict where they cannot."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data_dir / "run").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise Conflict(
            f"the data directory {data_dir} cannot be made: {error.strerror}; choose another data_dir", param="data_dir"
        ) from error


def _fill_store(config: Config, boot: Boot, data_dir: Path, environ: Mapping[str, str], report: Callable[..., None]) -> None:
    """The database is at the newest schema and the configuration is in force.

    A database that does not answer is no reason to stay down where a snapshot is on disk: control publishes as soon as it is back.
    """
    from ninefold.adapters.sql.migrate import is_current, migrate  # noqa: PLC0415  # 0.3 s that gateway-only machines need not pay
    from ninefold.app.process_database import open_for  # noqa: PLC0415  # as above
    from ninefold.app.publish_config import ConfigPublisher, snapshot_file  # noqa: PLC0415  # as above

    database = open_for(boot, environ)
    try:
        if not is_current(database):
            report("store.migrated", schema=migrate(database))
        publisher = ConfigPublisher(database, data_dir, environ, lambda text: report("config.warned", warning=text))
        snapshot, fresh = asyncio.run(publisher.publish(config, time.time()))
        report("snapshot.published" if fresh else "snapshot.unchanged", version=snapshot.version, digest=snapshot.digest)
    except Unavailable as error:
        if asyncio.run(snapshot_file(data_dir).version()) == 0:
            raise
        report("store.unavailable", detail=error.detail)
    finally:
        database.close()


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # what to show, not where to listen
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
