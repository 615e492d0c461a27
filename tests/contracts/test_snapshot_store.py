import asyncio
import dataclasses
import stat

import pytest
from sqlalchemy import text

from ninefold.adapters.snapshot_file.file import SnapshotFile
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.migrate import migrate
from ninefold.adapters.sql.snapshots import SqlSnapshotStore
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.domain.money import Price
from ninefold.domain.snapshot import Budget, Deployment, Key, Limit, Model, Retries, SecretRef, Snapshot, Tenant, Timeouts

FULL = Snapshot(
    version=7,
    digest="d" * 64,
    compiled_at=1_700_000_000.25,
    policy_version="p" * 12,
    deployments=(
        Deployment(
            name="openai-eu",
            provider="openai",
            base_url="http://127.0.0.1:9001/v1",
            model="gpt",
            api_key=SecretRef(kind="env", where="OPENAI_API_KEY"),
            region="eu",
            price=Price(version="c1", input_per_million=1, output_per_million=2, cached_input_per_million=0, cache_write_per_million=3),
            operations=("chat", "embeddings"),
            headers=(("x-a", "ü"),),
        ),
    ),
    models=(
        Model(
            name="fast", strategy="priority", deployments=("openai-eu",), timeouts=Timeouts(total_s=1.5), retries=Retries(max_attempts=2)
        ),
    ),
    tenants=(
        Tenant(
            name="acme",
            models=("fast",),
            budgets=(Budget(budget_id="b", limit_nanos=2**62, window="month"),),
            limits=(Limit(limit_id="l", measure="requests", amount=1, period_s=60),),
            attribution=None,
            max_request_bytes=10,
        ),
    ),
    keys=(Key(key_id="k", name="ci", tenant="acme", digest="a" * 64, expires_at=1.5, attribution=(("product", "x"),)),),
    max_body_bytes=5,
)


@pytest.fixture(params=["sqlite", "postgresql", "file"])
def place(request, tmp_path):
    """Makes stores that look at the same place, as two processes would."""
    if request.param == "file":
        yield lambda: SnapshotFile(tmp_path / "data" / "snapshot")
        return
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = []

    def store():
        opened.append(open_database(url))
        migrate(opened[-1])
        return SqlSnapshotStore(opened[-1])

    yield store
    for database in opened:
        database.close()


def at(version, **changes):
    return dataclasses.replace(FULL, version=version, **changes)


def test_nothing_is_published_at_first(place):
    store = place()
    assert asyncio.run(store.version()) == 0
    assert asyncio.run(store.load()) is None


def test_what_is_published_last_is_loaded_equal_in_every_field(place):
    store, reader = place(), place()
    asyncio.run(store.publish(FULL))
    assert asyncio.run(reader.version()) == 7
    assert asyncio.run(reader.load()) == FULL
    bare = Snapshot(version=8, digest="", compiled_at=0.0, policy_version="")
    asyncio.run(store.publish(bare))
    assert asyncio.run(reader.version()) == 8
    assert asyncio.run(reader.load()) == bare


def test_versions_only_grow(place):
    store, other = place(), place()
    asyncio.run(store.publish(at(7)))
    for refused in (at(6), at(7, digest="e" * 64)):
        with pytest.raises(Conflict):
            asyncio.run(other.publish(refused))
    assert asyncio.run(store.load()) == at(7)


def test_the_same_snapshot_again_is_no_conflict(place):
    store, other = place(), place()
    asyncio.run(store.publish(at(7)))
    asyncio.run(other.publish(at(7)))
    assert asyncio.run(store.load()) == at(7)


def test_many_versions_later_the_newest_is_in_force(place):
    store = place()
    for version in range(1, 30):
        asyncio.run(store.publish(at(version)))
    assert asyncio.run(store.load()) == at(29)


def test_of_two_that_publish_one_version_one_wins(database, database_url):
    other = open_database(database_url)
    stores = [SqlSnapshotStore(database), SqlSnapshotStore(other)]

    async def race():
        return await asyncio.gather(*(s.publish(at(1, digest=str(n) * 64)) for n, s in enumerate(stores)), return_exceptions=True)

    outcomes = asyncio.run(race())
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NoneType"]
    assert asyncio.run(stores[0].load()) == at(1, digest=str(outcomes.index(None)) * 64)
    other.close()


def test_the_database_keeps_few_old_snapshots(database):
    store = SqlSnapshotStore(database)
    for version in range(1, 30):
        asyncio.run(store.publish(at(version)))
    assert database.run_now(lambda c: c.execute(text("SELECT min(version), count(*) FROM snapshots")).one()) == (20, 10)


def test_a_damaged_row_is_unavailable_not_a_crash(database):
    store = SqlSnapshotStore(database)
    asyncio.run(store.publish(FULL))
    for damaged in (b"{", b'{"version":"x"}', b"\xff\xfe"):
        database.run_now(lambda c, body=damaged: c.execute(text("UPDATE snapshots SET body = :b"), {"b": body}))
        with pytest.raises(Unavailable, match="publish a new one"):
            asyncio.run(store.load())


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_file_is_never_loaded_and_is_replaced_by_the_next(tmp_path, damage):
    path = tmp_path / "snapshot"
    store = SnapshotFile(path)
    asyncio.run(store.publish(FULL))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-10] ^= 1
    path.write_bytes({"flip": bytes(flipped), "cut": whole[:-1], "empty": b"", "other": b"hello\nworld"}[damage])
    with pytest.raises(Unavailable, match="damaged"):
        asyncio.run(store.load())
    with pytest.raises(Unavailable, match="damaged"):
        asyncio.run(store.version())
    asyncio.run(store.publish(at(8)))
    assert asyncio.run(store.load()) == at(8)


def test_the_file_is_its_owners_and_no_other_is_left_beside_it(tmp_path):
    store = SnapshotFile(tmp_path / "snapshot")
    asyncio.run(store.publish(at(1)))
    asyncio.run(store.publish(at(2)))
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
    assert stat.S_IMODE((tmp_path / "snapshot").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "occupied").write_text("a file where a folder is needed")
    store = SnapshotFile(tmp_path / "occupied" / "snapshot")
    with pytest.raises(Unavailable):
        asyncio.run(store.publish(FULL))


def test_a_reader_in_the_middle_of_a_change_sees_one_of_the_two(tmp_path):
    store = SnapshotFile(tmp_path / "snapshot")
    asyncio.run(store.publish(at(1)))

    async def write():
        for version in range(2, 25):
            await store.publish(at(version, digest=str(version)))

    async def read():
        seen = 0
        writing = asyncio.ensure_future(write())
        while not writing.done():
            snapshot = await store.load()
            assert snapshot in (at(1), at(snapshot.version, digest=str(snapshot.version)))
            assert snapshot.version >= seen
            seen = snapshot.version
        await writing

    asyncio.run(read())
