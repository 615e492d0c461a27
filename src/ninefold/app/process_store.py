"""The store as a command line opens it: where the configuration says, for one answer, closed afterwards."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.keys import SqlKeyStore
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.ledger import SqlLedger
from ninefold.adapters.sql.migrate import is_current
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.app.books import Books
from ninefold.app.config import load_config
from ninefold.app.keys import Keys
from ninefold.app.process_database import open_for
from ninefold.app.process_house import boot_of
from ninefold.domain.errors import Unavailable

T = TypeVar("T")


def with_store(path: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` returned. Raises: ConfigInvalid; Unavailable where there is no database of this version yet."""
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
            return await work(database)

        return asyncio.run(run())
    finally:
        database.close()


def keys_of(database: Database) -> Keys:
    """The keys in `database`, as the control plane has them too."""
    return Keys(SqlKeyStore(database), SqlSnapshotStore(database))


def books_of(database: Database) -> Books:
    """The books in `database`, as the control plane has them too."""
    return Books(SqlLedger(database), SqlLeaseStore(database), SqlSnapshotStore(database))
