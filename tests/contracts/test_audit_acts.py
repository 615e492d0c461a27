"""Laws of `ninefold.ports.act_log.ActLog`, on both databases."""

import asyncio
import json
import threading

import pytest

from ninefold.adapters.sql.acts import SqlActLog, append_act
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.keys import SqlKeyStore
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.domain.errors import Conflict
from ninefold.domain.snapshot import Key, Snapshot


@pytest.fixture
def acts(database):
    return SqlActLog(database)


def key(n, digest=None):
    return Key(key_id=f"k{n}", name=f"name {n}", tenant="acme", digest=digest or f"{n:064x}", attribution=(("product", "x"),))


def test_an_act_is_there_exactly_if_it_was_done(database, acts):
    keys, snapshots = SqlKeyStore(database), SqlSnapshotStore(database)
    asyncio.run(keys.create(key(1), 10.0))
    with pytest.raises(Conflict):
        asyncio.run(keys.create(key(2, digest=key(1).digest), 11.0))
    asyncio.run(keys.revoke("k1", 12.0))
    asyncio.run(keys.revoke("k1", 13.0))
    snapshot = Snapshot(version=1, digest="d", policy_version="p", compiled_at=14.0, deployments=(), models=(), tenants=(), keys=())
    asyncio.run(snapshots.publish(snapshot))
    asyncio.run(snapshots.publish(snapshot))
    found = asyncio.run(acts.since(0, 10))
    assert [(act.seq, act.at, act.kind, act.subject) for act in found] == [
        (1, 10.0, "key.created", "k1"),
        (2, 12.0, "key.revoked", "k1"),
        (3, 14.0, "configuration.published", "1"),
    ]
    assert json.loads(found[0].detail) == {"name": "name 1", "tenant": "acme", "expires_at": None, "attribution": {"product": "x"}}
    assert key(1).digest not in found[0].detail
    assert [act.seq for act in asyncio.run(acts.since(1, 1))] == [2]


def test_numbers_have_no_gaps_whatever_is_taken_back(database, acts):
    def refused(connection):
        append_act(connection, "x", "lost", {}, 1.0)
        raise ValueError("taken back")

    with pytest.raises(ValueError):
        database.run_now(refused)
    for subject in ("a", "b"):
        database.run_now(lambda connection, subject=subject: append_act(connection, "x", subject, {}, 1.0))
    assert [(act.seq, act.subject) for act in asyncio.run(acts.since(0, 9))] == [(1, "a"), (2, "b")]


def test_writers_of_several_processes_share_one_order(database, database_url, acts):
    other = open_database(database_url)

    def write(where):
        for n in range(10):
            where.run_now(lambda connection, n=n: append_act(connection, "x", str(n), {}, 1.0))

    threads = [threading.Thread(target=write, args=(each,)) for each in (database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert [act.seq for act in asyncio.run(acts.since(0, 100))] == list(range(1, 21))
