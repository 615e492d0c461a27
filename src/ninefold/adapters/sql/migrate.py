"""The schema of the database, brought to what this version of the code needs."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, text

from ninefold.adapters.sql.engine import Database
from ninefold.domain.errors import Conflict

_SCRIPTS = Path(__file__).parent / "migrations"
# Any constant that nobody else locks: "ninefold" in ASCII.
_ADVISORY_LOCK = int.from_bytes(b"ninefold"[:7], "big")
# Alembic keeps the running migration in module globals.
_ONE_AT_A_TIME = threading.Lock()


def head() -> str:
    """The newest revision this code knows: migration files are named by their revision, and the last name is the head."""
    return max(file.stem.split("_", 1)[0] for file in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def is_current(database: Database) -> bool:
    """Whether the schema is at `head()`. One read, and Alembic is not imported (0.15 s)."""
    return database.run_now(lambda connection: _revision(connection) == head(), reading=True)


def migrate(database: Database) -> str:
    """The schema is at the head revision, which is returned; any number of processes may start at once.

    All pending migrations are one transaction: a failure leaves the schema as it was.
    Raises: Conflict where a newer version of Ninefold has written the schema; Unavailable.
    """
    with _ONE_AT_A_TIME:
        return database.run_now(_upgrade)


def _upgrade(connection: Connection) -> str:
    # SQLite is locked already: the transaction began IMMEDIATE.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    newest, found = head(), _revision(connection)
    if found == newest:
        return newest
    if found is not None and found > newest:
        raise Conflict(f"the database is at schema {found}, this version of Ninefold knows {newest}: run the newer version")

    from alembic import command  # noqa: PLC0415 0.15 s that only a migration pays
    from alembic.config import Config  # noqa: PLC0415 as above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
    return newest


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
