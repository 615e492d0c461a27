"""The store as a command line opens it: where the configuration says, for one answer, closed afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.keys import SqlKeyStore
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.ledger import SqlLedger
from ninefold.adapters.sql.migrate import is_current
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.app.books import Books
from ninefold.app.config import load_config
from ninefold.app.keys import Keys
from ninefold.app.process_boot import JOURNAL_FOLDER
from ninefold.app.process_database import open_for
from ninefold.app.process_house import boot_of
from ninefold.app.process_node import node_id
from ninefold.domain.errors import Unavailable
from ninefold.finops.projector import Projector
from ninefold.ports.journal import Segment

T = TypeVar("T")


def with_store(path: Path | None, work: Callable[[Database, Path], Awaitable[T]]) -> T:
    """What `work` returned for the database and the data directory.

    Raises: ConfigInvalid; Unavailable where there is no database of this version yet."""
    config = load_config(path, os.environ)
    boot = boot_of(config)
    data_dir = Path(boot.data_dir)
    if boot.database == "sqlite" and not data_dir.exists():
        raise Unavailable(f"there is nothing in {data_dir} yet: start `ninefold up` once, in this folder or with the same --config")
    database = open_for(boot, os.environ)
    try:
        if not is_current(database):
            raise Unavailable("the database is not at the schema of this version: start `ninefold up` once, which migrates it")

        async def run() -> T:
            return await work(database, data_dir)

        return asyncio.run(run())
    finally:
        database.close()


def keys_of(database: Database) -> Keys:
    """The keys in `database`, as the control plane has them too."""
    return Keys(SqlKeyStore(database), SqlSnapshotStore(database))


def books_of(database: Database) -> Books:
    """The books in `database`, as the control plane has them too."""
    return Books(SqlLedger(database), SqlLeaseStore(database), SqlSnapshotStore(database))


def projector_of(database: Database, data_dir: Path, may_delete: Callable[[Segment], bool] = lambda _: False) -> Projector:
    """What turns the journals of `data_dir` into the ledger in `database`; it deletes old segments that `may_delete`."""
    mine = node_id(data_dir) + "-"
    journals = JournalReader(data_dir / JOURNAL_FOLDER)
    return Projector(
        journals,
        SqlLedger(database),
        SqlLeaseStore(database),
        wall=time.time,
        is_mine=lambda worker: worker.startswith(mine),
        may_delete=may_delete,
    )
