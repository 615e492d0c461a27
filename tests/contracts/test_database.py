"""What every store relies on: one transaction or nothing, no driver's error outside, no wait without an end."""

import asyncio
import sqlite3
import stat
import threading

import pytest
from sqlalchemy import text

from ninefold.adapters.sql import engine
from ninefold.adapters.sql.engine import open_database, wal_is_safe
from ninefold.domain.errors import Conflict, Internal, InvalidRequest, NinefoldError, NotFound, Unavailable


@pytest.fixture
def counter(database):
    database.run_now(lambda c: c.execute(text("CREATE TABLE counter (name VARCHAR(10) PRIMARY KEY, value INTEGER NOT NULL)")))
    database.run_now(lambda c: c.execute(text("INSERT INTO counter VALUES ('a', 0)")))
    return database


def _value(database):
    return database.run_now(lambda c: c.execute(text("SELECT value FROM counter WHERE name = 'a'")).scalar_one(), reading=True)


def _add_one(connection):
    connection.execute(text("UPDATE counter SET value = value + 1 WHERE name = 'a'"))


def test_work_is_committed_as_a_whole(counter, database_url):
    asyncio.run(counter.run(_add_one))
    other = open_database(database_url)
    assert _value(other) == 1
    other.close()


def test_work_that_raises_leaves_nothing_and_its_error_arrives(counter):
    def fail(connection):
        _add_one(connection)
        raise NotFound("of the work itself")

    with pytest.raises(NotFound, match="of the work itself"):
        counter.run_now(fail)
    assert _value(counter) == 0


def test_reading_does_not_write(counter):
    with pytest.raises(Unavailable, match="only be read"):
        counter.run_now(_add_one, reading=True)
    counter.run_now(_add_one)
    assert _value(counter) == 1


def test_drivers_errors_stay_inside_and_values_stay_secret(counter):
    with pytest.raises(Conflict) as conflict:
        counter.run_now(lambda c: c.execute(text("INSERT INTO counter VALUES (:name, :value)"), {"name": "a", "value": 424242}))
    with pytest.raises(Internal) as internal:
        counter.run_now(lambda c: c.execute(text("SELECT * FROM no_such_table WHERE x = :x"), {"x": 424242}))
    for caught in (conflict, internal):
        assert "424242" not in str(caught.value)
        assert "424242" not in str(caught.value.__cause__)
    counter.run_now(_add_one)


def test_two_processes_lose_no_update(counter, database_url):
    other = open_database(database_url)

    async def add():
        await asyncio.gather(*(which.run(_add_one) for _ in range(15) for which in (counter, other)))

    asyncio.run(add())
    assert _value(counter) == 30
    other.close()


def test_sqlite_takes_the_write_lock_before_the_work_begins(tmp_path):
    """Work that reads first and writes later would otherwise find, when it writes, that it has read something old."""
    first, second = (open_database("sqlite:///x.db", folder=tmp_path) for _ in range(2))
    first.run_now(lambda c: c.execute(text("CREATE TABLE counter (name TEXT, value INTEGER)")))
    let_go, holding, entered = threading.Event(), threading.Event(), threading.Event()
    holder = threading.Thread(target=first.run_now, args=(lambda _: holding.set() or let_go.wait(30),))
    holder.start()
    assert holding.wait(30)
    waiter = threading.Thread(target=second.run_now, args=(lambda _: entered.set(),))
    waiter.start()
    assert not entered.wait(0.2)
    let_go.set()
    assert entered.wait(30)
    holder.join()
    waiter.join()
    first.close()
    second.close()


def test_an_answer_that_does_not_come_is_an_error_in_bounded_time(counter, monkeypatch):
    monkeypatch.setattr(engine, "_ANSWER_WITHIN_S", 0.05)
    hold = threading.Event()
    try:
        with pytest.raises(Unavailable, match="did not answer within"):
            asyncio.run(counter.run(lambda _: hold.wait(30)))
    finally:
        hold.set()
    counter.run_now(_add_one)


def test_a_closed_database_says_so(counter):
    counter.close()
    counter.close()
    with pytest.raises(Unavailable, match="closed"):
        counter.run_now(_add_one)
    with pytest.raises(Unavailable, match="closed"):
        asyncio.run(counter.run(_add_one))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root@host/x", "nonsense", "sqlite:///file:x?mode=memory"])
def test_addresses_that_cannot_work_are_refused(url):
    with pytest.raises(InvalidRequest) as refused:
        open_database(url)
    assert refused.value.param == "database"


def test_a_server_that_is_not_there_is_unavailable_and_the_password_stays_out():
    database = open_database("postgresql://nobody:geheim@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught:
        database.run_now(_add_one)
    assert "geheim" not in str(caught.value) + repr(caught.value.__cause__)
    database.close()


def test_a_relative_sqlite_path_counts_from_the_folder_and_is_private(tmp_path):
    for url, name in (("sqlite:///x.db", "x.db"), ("sqlite", "ninefold.db"), (f"sqlite:///{tmp_path}/abs.db", "abs.db")):
        database = open_database(url, folder=tmp_path / "data" if name != "abs.db" else tmp_path)
        database.run_now(lambda c: c.execute(text("CREATE TABLE t (x INTEGER)")))
        database.close()
        path = tmp_path / ("data" if name != "abs.db" else "") / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_locked_sqlite_file_is_waited_for_a_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 20)
    database = open_database("sqlite:///x.db", folder=tmp_path)
    database.run_now(lambda c: c.execute(text("CREATE TABLE counter (name TEXT, value INTEGER)")))
    blocker = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="lock"):
        database.run_now(_add_one)
    with pytest.raises(Unavailable, match="lock"):
        database.run_now(_value_of_nothing, reading=True)
    blocker.execute("COMMIT")
    blocker.close()
    database.run_now(_add_one)
    database.close()


def _value_of_nothing(connection):
    return connection.execute(text("SELECT count(*) FROM counter")).scalar_one()


def test_a_damaged_sqlite_file_is_named_as_such(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is no database" * 100)
    database = open_database("sqlite:///x.db", folder=tmp_path)
    with pytest.raises(Unavailable, match="damaged"):
        database.run_now(_add_one)
    database.close()


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    database = open_database("sqlite:///x.db", folder=tmp_path / "file")
    with pytest.raises(Unavailable, match="cannot be opened"):
        database.run_now(_add_one)
    database.close()


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((4, 0, 0), True),
    ],
)
def test_a_wal_is_used_only_where_it_is_safe(version, safe):
    assert wal_is_safe(version) is safe


@pytest.mark.parametrize(("safe", "mode"), [(True, "wal"), (False, "delete")])
def test_the_journal_mode_follows_the_version(tmp_path, monkeypatch, safe, mode):
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: safe)
    database = open_database("sqlite:///x.db", folder=tmp_path)

    def pragmas(connection):
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert database.run_now(pragmas, reading=True) == [mode, 2 if safe else 3, 1]
    database.close()


def test_work_that_postgresql_rolled_back_runs_again(postgres_url):
    database = open_database(postgres_url)
    runs = []

    def work(connection):
        runs.append(1)
        if len(runs) < 3:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"))
        return "done"

    assert database.run_now(work) == "done"
    assert len(runs) == 3
    database.close()


def test_a_lost_connection_is_replaced_even_in_the_middle_of_work(postgres_url):
    database, killer = open_database(postgres_url), open_database(postgres_url)
    runs = []

    def work(connection):
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        runs.append(pid)
        if len(runs) == 1:
            killer.run_now(lambda c: c.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}))
        return connection.execute(text("SELECT 1")).scalar_one()

    assert database.run_now(work) == 1
    assert len(set(runs)) == 2
    killer.run_now(lambda c: c.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": runs[-1]}))
    assert database.run_now(work) == 1
    database.close()
    killer.close()


def test_a_commit_whose_answer_was_lost_is_not_repeated(postgres_url):
    database, killer = open_database(postgres_url), open_database(postgres_url)
    runs = []

    def work(connection):
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        runs.append(pid)
        # The work itself ends well; its connection is gone when the commit comes.
        killer.run_now(lambda c: c.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}))

    with pytest.raises(NinefoldError):
        database.run_now(work)
    assert len(runs) == 1
    database.close()
    killer.close()
