import asyncio

import pytest
from sqlalchemy import text

from ninefold.adapters.sql.deltas import SqlDeltaLog
from ninefold.adapters.sql.keys import SqlKeyStore
from ninefold.domain.errors import Conflict, NotFound
from ninefold.domain.snapshot import Key
from ninefold.identity import api_keys
from ninefold.ports.delta_log import DeltaKind
from ninefold.ports.key_store import HeldKey


@pytest.fixture
def store(database):
    return SqlKeyStore(database)


def key(n, **changes):
    fields = {"key_id": f"k{n}", "name": f"name {n}", "tenant": "acme", "digest": f"{n:064x}"} | changes
    return Key(**fields)


def test_keys_come_back_equal_in_the_order_of_creation(store):
    full = key(1, expires_at=1.5, attribution=(("product", "x"), ("workflow", "ü'\"")))
    asyncio.run(store.create(key(2), 20.0))
    asyncio.run(store.create(full, 10.0))
    asyncio.run(store.create(key(3, tenant="other"), 30.0))
    first, second = HeldKey(key=full, created_at=10.0), HeldKey(key=key(2), created_at=20.0)
    assert asyncio.run(store.list("acme")) == (first, second)
    assert asyncio.run(store.list(None)) == (first, second, HeldKey(key=key(3, tenant="other"), created_at=30.0))
    assert asyncio.run(store.list("nobody")) == ()


@pytest.mark.parametrize("clash", [key(1, digest="f" * 64), key(2, digest=key(1).digest, tenant="other")])
def test_an_id_and_a_secret_are_held_once(store, clash):
    asyncio.run(store.create(key(1), 1.0))
    with pytest.raises(Conflict, match="make a new one"):
        asyncio.run(store.create(clash, 2.0))
    assert [held.key for held in asyncio.run(store.list(None))] == [key(1)]


def test_a_revoked_key_still_blocks_its_secret(store):
    asyncio.run(store.create(key(1), 1.0))
    asyncio.run(store.revoke("k1", 2.0))
    with pytest.raises(Conflict):
        asyncio.run(store.create(key(2, digest=key(1).digest), 3.0))


def test_a_revocation_is_final_and_keeps_its_first_moment(store):
    asyncio.run(store.create(key(1), 1.0))
    asyncio.run(store.create(key(2), 2.0))
    revoked = HeldKey(key=key(1), created_at=1.0, revoked_at=5.0)
    assert asyncio.run(store.revoke("k1", 5.0)) == revoked
    assert asyncio.run(store.revoke("k1", 9.0)) == revoked
    assert asyncio.run(store.list("acme")) == (revoked, HeldKey(key=key(2), created_at=2.0))


def test_a_revocation_is_in_the_delta_log_once(store, database):
    log = SqlDeltaLog(database)
    asyncio.run(store.create(key(1), 1.0))
    assert asyncio.run(log.head()) == 0
    asyncio.run(store.revoke("k1", 5.0))
    asyncio.run(store.revoke("k1", 6.0))
    (delta,) = asyncio.run(log.since(0, 10))
    assert (delta.kind, delta.subject, delta.at) == (DeltaKind.KEY_REVOKED, "k1", 5.0)


def test_an_unknown_key_is_not_found_and_leaves_no_delta(store, database):
    with pytest.raises(NotFound, match="'k9'"):
        asyncio.run(store.revoke("k9", 1.0))
    assert asyncio.run(SqlDeltaLog(database).head()) == 0


def test_names_and_ids_are_data_not_sql(store):
    nasty = key(1, key_id="k'; DROP TABLE api_keys; --", name="%s :x ? {}", tenant="'")
    asyncio.run(store.create(nasty, 1.0))
    assert [held.key for held in asyncio.run(store.list("'"))] == [nasty]


def test_no_column_holds_the_secret(store, database):
    secret = api_keys.new_secret(bytes(range(32)))
    asyncio.run(store.create(key(1, digest=api_keys.digest(secret)), 1.0))
    row = database.run_now(lambda c: c.execute(text("SELECT * FROM api_keys")).one())
    assert all(secret not in str(value) for value in row)
