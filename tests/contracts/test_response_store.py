import asyncio

import pytest
from sqlalchemy import func, select

from ninefold.adapters.memory.responses import MemoryResponseStore
from ninefold.adapters.sql import responses
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.migrate import migrate
from ninefold.adapters.sql.responses import SqlResponseStore
from ninefold.domain.errors import NotFound, Unavailable
from ninefold.ports.response_store import StoredResponse


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryResponseStore()
        return
    url = f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = open_database(url)
    migrate(opened)
    yield SqlResponseStore(opened)
    opened.close()


def stored(n, **changes):
    fields = {
        "tenant": "acme",
        "response_id": f"resp_nf_{n}",
        "answer": b'{"id":"resp_nf_%d"}' % n,
        "items": b"[]",
        "created_at": 100.0,
        "expires_at": 200.0,
    } | changes
    return StoredResponse(**fields)


def get(store, name="resp_nf_1", tenant="acme", at=150.0):
    return asyncio.run(store.get(tenant, name, at))


def test_what_was_put_is_found_as_it_was(store):
    full = stored(1, answer='{"text":"Köln \\u0000 🙂"}'.encode(), items=b"[" + b"0," * 100_000 + b"0]")
    asyncio.run(store.put(full))
    asyncio.run(store.put(stored(2)))
    assert get(store) == full
    assert get(store, "resp_nf_2") == stored(2)


def test_another_tenant_finds_and_deletes_nothing(store):
    asyncio.run(store.put(stored(1)))
    for verb in (store.get, store.delete):
        with pytest.raises(NotFound):
            asyncio.run(verb("globex", "resp_nf_1", 150.0))
    assert get(store) == stored(1)


def test_two_tenants_may_have_the_same_id(store):
    theirs = stored(1, tenant="globex", answer=b"{}")
    asyncio.run(store.put(stored(1)))
    asyncio.run(store.put(theirs))
    assert get(store) == stored(1)
    assert get(store, tenant="globex") == theirs


def test_an_id_is_written_once(store):
    asyncio.run(store.put(stored(1)))
    asyncio.run(store.put(stored(1, answer=b"{}", expires_at=900.0)))
    assert get(store) == stored(1)


def test_a_deleted_answer_is_gone_and_is_deleted_once(store):
    asyncio.run(store.put(stored(1)))
    asyncio.run(store.put(stored(2)))
    asyncio.run(store.delete("acme", "resp_nf_1", 150.0))
    with pytest.raises(NotFound):
        get(store)
    with pytest.raises(NotFound, match="resp_nf_1"):
        asyncio.run(store.delete("acme", "resp_nf_1", 150.0))
    assert get(store, "resp_nf_2") == stored(2)


def test_an_answer_ends_at_its_moment(store):
    asyncio.run(store.put(stored(1)))
    assert get(store, at=199.999) == stored(1)
    with pytest.raises(NotFound):
        get(store, at=200.0)
    with pytest.raises(NotFound):
        asyncio.run(store.delete("acme", "resp_nf_1", 200.0))


def test_expired_rows_are_removed_by_later_puts_and_no_others(store):
    for n in range(50):
        asyncio.run(store.put(stored(n)))
    asyncio.run(store.put(stored(50, expires_at=200.001)))
    counts = []
    for n in range(51, 55):
        asyncio.run(store.put(stored(n, created_at=200.0, expires_at=300.0)))
        counts.append(_rows(store))
    assert counts == [51 + 1 - 20, 51 + 2 - 40, 1 + 3, 1 + 4]
    assert get(store, "resp_nf_50", at=200.0) == stored(50, expires_at=200.001)


def _rows(store):
    if isinstance(store, MemoryResponseStore):
        return len(store)
    count = select(func.count()).select_from(responses.responses)
    return store._database.run_now(lambda c: c.execute(count).scalar_one(), reading=True)


def test_names_are_data_not_sql(store):
    nasty = stored(1, tenant="'; DROP TABLE responses; --", response_id="%s :x ?")
    asyncio.run(store.put(nasty))
    assert get(store, "%s :x ?", "'; DROP TABLE responses; --") == nasty


def test_what_was_put_is_there_for_another_process(database_url, database):
    asyncio.run(SqlResponseStore(database).put(stored(1)))
    other = open_database(database_url)
    assert get(SqlResponseStore(other)) == stored(1)
    other.close()


def test_a_lost_store_says_so(database):
    database.close()
    with pytest.raises(Unavailable):
        get(SqlResponseStore(database))
    store = MemoryResponseStore()
    store.down = True
    with pytest.raises(Unavailable):
        get(store)


def test_the_table_is_the_one_that_the_queries_expect(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        def ours(name, kind, parents):
            return kind != "table" or name in responses.metadata.tables

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        return compare_metadata(context, responses.metadata)

    assert database.run_now(differences, reading=True) == []
