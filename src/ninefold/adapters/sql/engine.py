"""One way into SQLite and PostgreSQL: short transactions on one thread, and no driver's error outside of it."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from ninefold.domain.errors import Conflict, Internal, InvalidRequest, NinefoldError, Unavailable

T = TypeVar("T")

DEFAULT_FILE = "ninefold.db"

_ATTEMPTS = 5
_RETRY_FOR_S = 8.0  # no further attempt is started after this
_ANSWER_WITHIN_S = 15.0  # above what one attempt may take: `busy_timeout`, `lock_timeout` or `statement_timeout`
_BUSY_TIMEOUT_MS = 5_000

# One thread uses the pool, so one connection does the work; the second is for the moment in which a dead one is replaced.
_POSTGRES_POOL = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 3, "pool_pre_ping": True, "pool_recycle": 1800}
_POSTGRES_SESSION = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000"
# Keepalives notice a peer that vanished while we wait for its answer, `tcp_user_timeout` one that vanished while we send.
_POSTGRES_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    "application_name": "ninefold",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Source: PostgreSQL appendix A: serialization_failure and deadlock_detected; the transaction was rolled back, so it may run again.
_POSTGRES_ROLLED_BACK = frozenset({"40001", "40P01"})
_POSTGRES_READ_ONLY = "25006"
_SQLITE_CONTENDED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_READING = "ninefold_reading"


class Database:
    """Runs transactions one after the other on a thread of its own; several processes may have the same database open.

    Open it after a fork, never before. `dialect` is "sqlite" or "postgresql".
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ninefold-sql")
        self.dialect: str = engine.dialect.name

    async def run(self, work: Callable[[Connection], T], *, reading: bool = False) -> T:
        """What `work` returned, its transaction committed.

        `work` may run more than once, each time in a fresh transaction, and may find that an earlier run was committed after all: where
        that matters, it has to be idempotent by a key. SQLite takes the write lock at once, unless `reading`; writing in a `reading`
        transaction fails. A caller that is cancelled leaves work that has begun to its end.
        Raises: Unavailable within a bounded time where the database does not answer; Conflict where a constraint was violated; what
        `work` raises, after a rollback.
        """
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work, reading)
        except RuntimeError as error:
            raise Unavailable("the database connection of this process is closed") from error
        deadline = asyncio.timeout(_ANSWER_WITHIN_S)
        try:
            async with deadline:
                return await running
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise Unavailable(f"the database did not answer within {_ANSWER_WITHIN_S:g} s") from error

    def run_now(self, work: Callable[[Connection], T], *, reading: bool = False) -> T:
        """As `run`, for callers without an event loop; it blocks."""
        try:
            running = self._thread.submit(self._transact, work, reading)
        except RuntimeError as error:
            raise Unavailable("the database connection of this process is closed") from error
        return running.result()

    def close(self) -> None:
        """No connection is left open; what was waiting for its turn is dropped. Idempotent."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], T], reading: bool) -> T:  # noqa: FBT001 an executor passes positions only
        started = time.monotonic()
        attempt = 1
        while True:
            committing = False
            try:
                with self._engine.connect() as connection:
                    bound = connection.execution_options(**{_READING: reading}, **self._options(reading=reading))
                    with bound.begin() as transaction:
                        result = work(bound)
                        committing = True
                        transaction.commit()
                    return result
            except SQLAlchemyError as error:
                again = attempt < _ATTEMPTS and time.monotonic() - started < _RETRY_FOR_S and _may_run_again(error, committing=committing)
                if not again:
                    raise _translated(error) from error
            time.sleep(random.uniform(0.2, 1.0) * 0.01 * 2**attempt)
            attempt += 1

    def _options(self, *, reading: bool) -> dict[str, Any]:
        return {"postgresql_readonly": reading} if self.dialect == "postgresql" else {}


def open_database(url: str, *, folder: Path | None = None) -> Database:
    """The database at `url`; nothing is connected until the first transaction.

    `sqlite:///path` (a relative path counts from `folder`), `sqlite` alone for a file in `folder`, or `postgresql://user@host/name`.
    Raises: InvalidRequest where the address is of another kind or the driver for it is not installed.
    """
    if url == "sqlite":
        url = f"sqlite:///{DEFAULT_FILE}"
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise InvalidRequest(
            "the database address cannot be read; use sqlite:///path or postgresql://user@host/name", param="database"
        ) from error
    kind = address.drivername.partition("+")[0]
    if kind == "sqlite":
        return Database(_sqlite(address, folder))
    if kind in ("postgresql", "postgres"):
        return Database(_postgresql(address))
    raise InvalidRequest(f"a database of kind {kind!r} is not supported; use sqlite or postgresql", param="database")


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this version of SQLite keeps a WAL intact that several connections write to.

    Source: sqlite.org/wal.html, "The WAL-Reset Bug": fixed in 3.51.3, and in the branches 3.50.7 and 3.44.6.
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


def _sqlite(address: URL, folder: Path | None) -> Engine:
    if not address.database or address.database == ":memory:" or address.database.startswith("file:"):
        raise InvalidRequest("several processes share the database: name a file, as in sqlite:///ninefold.db", param="database")
    path = (folder or Path()) / Path(address.database)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    safe = wal_is_safe((sqlite3.sqlite_version_info[0], sqlite3.sqlite_version_info[1], sqlite3.sqlite_version_info[2]))

    def before_connect(*_: object) -> None:
        _private_file(path)

    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: `begun` does
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            f"journal_mode = {'WAL' if safe else 'DELETE'}",
            # EXTRA also syncs the folder after a rollback journal was unlinked: without it, a power cut can undo the last commit.
            f"synchronous = {'FULL' if safe else 'EXTRA'}",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        reading = connection.get_execution_options()[_READING]
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "do_connect", before_connect)
    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _private_file(path: Path) -> None:
    """A new database file belongs to its owner alone; its journals inherit that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(f"the database file {path} cannot be opened for writing: {error.strerror}") from error


def _postgresql(address: URL) -> Engine:
    given = address.query.get("options", "")
    session = f"{given if isinstance(given, str) else ' '.join(given)} {_POSTGRES_SESSION}".strip()
    try:
        return create_engine(
            address.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
            connect_args={**_POSTGRES_CONNECT, "options": session},
            hide_parameters=True,
            **_POSTGRES_POOL,
        )
    except ImportError as error:
        raise InvalidRequest("PostgreSQL needs its driver: pip install 'ninefold[postgres]'", param="database") from error


def _may_run_again(error: SQLAlchemyError, *, committing: bool) -> bool:
    """Whether the failed transaction is known to have left nothing behind and may succeed now."""
    if not isinstance(error, DBAPIError):
        return False
    if _sqlite_code(error) in _SQLITE_CONTENDED or getattr(error.orig, "sqlstate", None) in _POSTGRES_ROLLED_BACK:
        return True
    # A connection lost during COMMIT may or may not have committed: only the caller can know whether to repeat that.
    return error.connection_invalidated and not committing


def _translated(error: SQLAlchemyError) -> NinefoldError:
    if isinstance(error, IntegrityError):
        return Conflict("the database refused the change: it contradicts something that already stands")
    if isinstance(error, DBAPIError):
        code = _sqlite_code(error)
        if code in _SQLITE_CONTENDED:
            return Unavailable("the database did not answer in time: another process holds its lock", retry_after_s=1)
        if code == sqlite3.SQLITE_FULL:
            return Unavailable("the database cannot write: its disk is full")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return Unavailable("the database file is damaged: restore it from a backup")
        if code == sqlite3.SQLITE_READONLY or getattr(error.orig, "sqlstate", None) == _POSTGRES_READ_ONLY:
            return Unavailable("the database can only be read here")
        # SQLITE_ERROR is a statement that cannot work (a missing table), which a retry does not heal.
        if error.connection_invalidated or (isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR):
            return Unavailable("the database did not answer; it is tried again with the next request", retry_after_s=1)
    return Internal("the database rejected a statement")


def _sqlite_code(error: DBAPIError) -> int | None:
    """The primary result code of SQLite, None for other drivers."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
