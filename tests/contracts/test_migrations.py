import subprocess
import sys

import pytest
from sqlalchemy import text

from ninefold.adapters.sql import schema
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.migrate import head, is_current, migrate
from ninefold.domain.errors import Conflict


def test_an_empty_database_is_brought_to_head_once(database_url):
    database = open_database(database_url)
    assert not is_current(database)
    assert migrate(database) == head()
    assert is_current(database)
    assert migrate(database) == head()
    database.close()


def test_head_is_the_one_that_alembic_computes():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from ninefold.adapters.sql import migrate as module

    config = Config()
    config.set_main_option("script_location", str(module._SCRIPTS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [head()]
    for script in scripts.walk_revisions():
        assert script.module.__name__.split("_")[0] == script.revision, "a migration's file is named by its revision"


def test_tables_are_those_the_queries_expect(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        def ours(name, kind, parents):
            return kind != "table" or name in schema.metadata.tables

        options = {"compare_type": True, "include_name": ours}
        return compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)

    assert database.run_now(differences, reading=True) == []


def test_a_database_of_a_newer_version_is_left_alone(database):
    database.run_now(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    assert not is_current(database)
    with pytest.raises(Conflict, match="9999"):
        migrate(database)


_STARTER = """
import sys
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.migrate import migrate
import alembic.command
database = open_database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(migrate(database), flush=True)
database.close()
"""


def test_processes_that_start_at_once_all_find_the_schema(database_url):
    starters = [
        subprocess.Popen([sys.executable, "-c", _STARTER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    for starter in starters:
        out, _ = starter.communicate(timeout=60)
        assert (starter.returncode, out) == (0, f"{head()}\n")


def test_looking_at_the_version_does_not_load_alembic(database_url):
    database = open_database(database_url)
    migrate(database)
    database.close()
    script = (
        "import sys; from ninefold.adapters.sql.engine import open_database; from ninefold.adapters.sql.migrate import is_current;"
        "database = open_database(sys.argv[1]); assert is_current(database); database.close(); assert 'alembic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script, database_url], check=False, timeout=60).returncode == 0
