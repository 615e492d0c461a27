import asyncio
from dataclasses import replace

import pytest

from ninefold.adapters.memory.batches import MemoryBatchStore
from ninefold.adapters.sql import batches
from ninefold.adapters.sql.batches import SqlBatchStore
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.migrate import migrate
from ninefold.domain.batch import Batch, BatchProblem, BatchStatus, StoredFile
from ninefold.domain.errors import Conflict, NotFound
from ninefold.ports.batch_store import Page


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryBatchStore()
        return
    url = f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = open_database(url)
    migrate(opened)
    yield SqlBatchStore(opened)
    opened.close()


def file(n, **changes):
    fields = {
        "tenant": "acme", "file_id": f"file-{n}", "name": "in put.jsonl", "purpose": "batch", "size_bytes": n, "digest": f"{n:064x}",
        "created_at": 100.0 + n,
    }  # fmt: skip
    return StoredFile(**fields | changes)


def batch(n, **changes):
    fields = {
        "tenant": "acme", "batch_id": f"batch_{n}", "key_id": "k", "endpoint": "/v1/embeddings", "input_file_id": "file-1",
        "completion_window": "24h", "created_at": 100.0 + n, "expires_at": 1e6, "start_after": 100.0 + n,
    }  # fmt: skip
    return Batch(**fields | changes)


def run(awaitable):
    return asyncio.run(awaitable)


def test_files_come_back_by_tenant(store):
    for each in (file(1), file(2, purpose="user_data"), file(1, tenant="globex", name="ü'")):
        run(store.add_file(each))
    run(store.add_file(file(1, name="again")))
    assert run(store.file("acme", "file-1")) == file(1)
    assert run(store.file("globex", "file-1")) == file(1, tenant="globex", name="ü'")
    assert run(store.files("acme", None, Page(limit=9))) == (file(2, purpose="user_data"), file(1))
    assert run(store.files("acme", "batch", Page(limit=9))) == (file(1),)
    assert run(store.kept("acme")) == (2, 3)
    assert run(store.kept("nobody")) == (0, 0)
    for verb in (store.file, store.remove_file):
        with pytest.raises(NotFound):
            run(verb("globex", "file-2"))


@pytest.mark.parametrize("oldest_first", [False, True])
def test_lists_are_read_page_by_page(store, oldest_first):
    # Two of one moment: the id decides.
    rows = [file(1), file(2, created_at=101.0), file(3), file(4)]
    for each in rows:
        run(store.add_file(each))
        run(store.add_batch(batch(each.size_bytes, created_at=each.created_at)))
    wanted = rows if oldest_first else rows[::-1]
    found, after = [], None
    while page := run(store.files("acme", None, Page(limit=3, after=after, oldest_first=oldest_first))):
        found += page
        after = page[-1].file_id
    assert found == wanted
    ids = [each.batch_id for each in run(store.batches("acme", Page(limit=2, after="batch_3", oldest_first=oldest_first)))]
    assert ids == (["batch_4"] if oldest_first else ["batch_2", "batch_1"])
    with pytest.raises(NotFound):
        run(store.files("acme", None, Page(limit=3, after="nothing")))


def test_a_file_is_kept_while_a_batch_reads_it(store):
    run(store.add_file(file(1)))
    run(store.add_batch(batch(1)))
    with pytest.raises(Conflict):
        run(store.remove_file("acme", "file-1"))
    claimed = run(store.claim("w", 200.0, 230.0))
    run(store.save(claimed, replace(claimed.batch, status=BatchStatus.COMPLETED), 230.0))
    assert run(store.remove_file("acme", "file-1")) == file(1)
    with pytest.raises(NotFound):
        run(store.file("acme", "file-1"))


def test_a_batch_comes_back_as_it_was(store):
    full = batch(
        1,
        status=BatchStatus.FAILED,
        metadata=(("a", "ü"),),
        problems=(BatchProblem(code="c", message="m", line=3),),
        reached=(("failed", 3.5),),
        output_file_id="file-o",
        total=3,
    )
    run(store.add_batch(full))
    assert run(store.batch("acme", "batch_1")) == full
    with pytest.raises(NotFound):
        run(store.batch("globex", "batch_1"))
    with pytest.raises(NotFound):
        run(store.cancel("globex", "batch_1", 1.0))
    assert run(store.batches("globex", Page(limit=5))) == ()


def test_one_at_a_time_the_longest_waiting_first_and_never_too_early(store):
    run(store.add_batch(batch(1, start_after=150.0)))
    run(store.add_batch(batch(2)))
    run(store.add_batch(batch(3, status=BatchStatus.CANCELLED)))
    assert run(store.claim("w", 101.9, 130.0)) is None
    first = run(store.claim("w", 120.0, 150.0))
    assert (first.batch, first.epoch) == (batch(2), 1)
    assert run(store.claim("v", 149.0, 180.0)) is None
    second = run(store.claim("v", 150.0, 180.0))
    assert {second.batch.batch_id, run(store.claim("v", 150.0, 180.0)).batch.batch_id} == {"batch_1", "batch_2"}


def test_who_lost_its_claim_changes_nothing(store):
    run(store.add_batch(batch(1)))
    old = run(store.claim("w", 200.0, 230.0))
    new = run(store.claim("v", 230.0, 260.0))
    assert new.epoch == old.epoch + 1
    with pytest.raises(Conflict):
        run(store.save(old, replace(old.batch, completed=9), 999.0))
    run(store.release(old))
    assert run(store.claim("u", 259.0, 300.0)) is None
    assert run(store.batch("acme", "batch_1")).completed == 0
    progress = replace(new.batch, completed=1, status=BatchStatus.IN_PROGRESS)
    assert run(store.save(new, progress, 300.0)) == progress
    assert run(store.claim("u", 299.0, 330.0)) is None
    run(store.release(new))
    assert run(store.claim("u", 299.0, 330.0)).batch == progress


def test_a_wish_to_cancel_outlives_progress(store):
    run(store.add_batch(batch(1)))
    claimed = run(store.claim("w", 200.0, 230.0))
    wished = run(store.cancel("acme", "batch_1", 205.0))
    assert (wished.status, wished.reached) == (BatchStatus.CANCELLING, (("cancelling", 205.0),))
    assert run(store.cancel("acme", "batch_1", 206.0)) == wished
    progress = replace(claimed.batch, status=BatchStatus.IN_PROGRESS, completed=4, reached=(("in_progress", 201.0),))
    stands = run(store.save(claimed, progress, 230.0))
    assert (stands.status, stands.completed) == (BatchStatus.CANCELLING, 4)
    assert dict(stands.reached) == {"in_progress": 201.0, "cancelling": 205.0}
    over = replace(stands, status=BatchStatus.CANCELLED)
    assert run(store.save(claimed, over, 230.0)) == over
    with pytest.raises(Conflict):
        run(store.cancel("acme", "batch_1", 300.0))


def test_what_waits_for_later_is_cancelled_now(store):
    run(store.add_batch(batch(1, start_after=9e5)))
    run(store.cancel("acme", "batch_1", 205.0))
    assert run(store.claim("w", 205.0, 230.0)).batch.status is BatchStatus.CANCELLING


def test_tables_are_those_the_queries_expect(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        def ours(name, kind, parents):
            return kind != "table" or name in batches.metadata.tables

        options = {"compare_type": True, "include_name": ours}
        return compare_metadata(MigrationContext.configure(connection, opts=options), batches.metadata)

    assert database.run_now(differences, reading=True) == []
