import asyncio

import pytest
from sqlalchemy import event

from ninefold.adapters.memory.answers import MemoryAnswerStore
from ninefold.adapters.sql import answers
from ninefold.adapters.sql.answers import SqlAnswerStore
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.migrate import migrate
from ninefold.domain.allowance import Holder
from ninefold.ports.answer_store import Claim, KeptAnswer, Standing

ANSWER = KeptAnswer(body=b'{"a":1}\x00\xff', streamed=False, content_type="application/json", deployment="oai")


class House:
    """A store, and the lives of the workers that use it."""

    def __init__(self, store, begin):
        self.store, self.begin = store, begin

    def claim(self, holder, n=1, **changes):
        fields = {"scope": "s" * 64, "digest": "d" * 64, "token": f"r-{n}", "trace_id": f"t{n}", "at": 100.0, "until": 160.0}
        return asyncio.run(self.store.claim(Claim(holder=holder, **(fields | changes))))

    def keep(self, n=1, answer=ANSWER, until=1000.0):
        return asyncio.run(self.store.keep("s" * 64, f"r-{n}", answer, until))

    def free(self, n=1):
        asyncio.run(self.store.free("s" * 64, f"r-{n}"))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def house(request, tmp_path):
    if request.param == "memory":
        epochs = {}

        def begin(worker):
            epochs[worker] = epochs.get(worker, 0) + 1
            return Holder(worker=worker, epoch=epochs[worker])

        yield House(MemoryAnswerStore(lambda holder: epochs.get(holder.worker) == holder.epoch), begin)
        return
    url = f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = open_database(url)
    migrate(opened)
    leases = SqlLeaseStore(opened)
    yield House(SqlAnswerStore(opened), lambda worker: asyncio.run(leases.open_worker(worker)).holder)
    opened.close()


def test_one_claim_of_a_scope_is_granted(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    assert house.claim(one) is None
    assert house.claim(other, 2) == Standing(digest="d" * 64, trace_id="t1", answer=None)
    assert house.claim(other, 3, scope="z" * 64) is None


def test_of_many_claims_at_once_one_is_granted(house):
    holders = [house.begin(f"gateway-{n}") for n in range(5)]

    async def all_at_once():
        wishes = [
            Claim(scope="s", digest="d", token=f"r-{n}", holder=holder, trace_id="t", at=1.0, until=9.0) for n, holder in enumerate(holders)
        ]
        return await asyncio.gather(*(house.store.claim(wish) for wish in wishes))

    assert sum(found is None for found in asyncio.run(all_at_once())) == 1


def test_a_kept_answer_is_found_byte_for_byte_until_its_end(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    assert house.keep()
    standing = Standing(digest="d" * 64, trace_id="t1", answer=ANSWER)
    assert house.claim(other, 2) == standing
    assert house.claim(one, 3, digest="e" * 64) == standing
    assert house.claim(other, 4, at=999.9, until=1100.0) == standing
    assert house.claim(other, 5, at=1000.0, until=1100.0) is None


def test_keeping_twice_changes_nothing(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    assert house.keep()
    assert house.keep(answer=KeptAnswer(body=b"other", streamed=True, content_type="x", deployment="y"))
    assert house.claim(other, 2).answer == ANSWER


def test_an_answer_too_large_to_be_kept_still_stands(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    large = KeptAnswer(body=None, streamed=True, content_type="text/event-stream", deployment="oai")
    assert house.keep(answer=large)
    assert house.claim(other, 2).answer == large


def test_a_freed_claim_is_free_and_a_kept_one_is_not(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    house.free(9)
    assert house.claim(other, 2) is not None
    house.free()
    assert house.claim(other, 2) is None
    house.keep(2)
    house.free(2)
    assert house.claim(one, 3).answer == ANSWER


def test_a_claim_is_void_once_its_time_is_up(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    assert house.claim(other, 2, at=159.9, until=200.0) is not None
    assert house.claim(other, 2, at=160.0, until=200.0) is None
    assert not house.keep(1), "whoever was too late keeps nothing in another's name"
    assert house.keep(2)


def test_a_claim_of_a_worker_that_has_died_is_taken_over(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    assert house.claim(other, 2) is not None
    again = house.begin("gateway-1")
    assert again.epoch > one.epoch
    assert house.claim(other, 2) is None


def test_an_answer_outlives_the_worker_that_kept_it(house):
    one, other = house.begin("gateway-1"), house.begin("gateway-2")
    house.claim(one)
    house.keep()
    house.begin("gateway-1")
    assert house.claim(other, 2).answer == ANSWER


def test_the_same_holder_may_claim_again_what_it_has_let_go(house):
    one = house.begin("gateway-1")
    house.claim(one)
    assert house.claim(one, 2) is None
    house.free(1)
    assert house.keep(2)


def test_a_sweep_takes_what_is_void_a_few_at_a_time(house):
    one = house.begin("gateway-1")
    for n in range(5):
        house.claim(one, n, scope=f"void-{n}", until=150.0)
    house.claim(one)
    assert asyncio.run(house.store.sweep(150.0, 3)) == 3
    assert asyncio.run(house.store.sweep(150.0, 3)) == 2
    assert asyncio.run(house.store.sweep(150.0, 3)) == 0
    assert house.claim(house.begin("gateway-2"), 2) is not None


def test_the_table_is_the_one_the_queries_expect(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        options = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in answers.metadata.tables}
        return compare_metadata(MigrationContext.configure(connection, opts=options), answers.metadata)

    assert database.run_now(differences, reading=True) == []


def test_a_claim_that_loses_its_row_and_then_the_race_for_it_is_not_granted(tmp_path):
    """Between the two statements of a claim the first row is freed and another worker's is made."""
    opened = open_database(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    leases = SqlLeaseStore(opened)
    house = House(SqlAnswerStore(opened), lambda worker: asyncio.run(leases.open_worker(worker)).holder)
    one, other, third = (house.begin(f"gateway-{n}") for n in (1, 2, 3))
    assert house.claim(one) is None
    stolen = []

    def steal(connection, cursor, statement, *_):
        if statement.startswith("SELECT idempotent_answers") and not stolen:
            stolen.append(statement)
            connection.exec_driver_sql("DELETE FROM idempotent_answers")
        elif statement.startswith("INSERT INTO idempotent_answers") and len(stolen) == 1:
            stolen.append(statement)
            row = answers._row(Claim(scope="s" * 64, digest="d" * 64, token="r-3", trace_id="t3", holder=third, at=100.0, until=160.0))
            connection.execute(answers.answers.insert().values(row))

    event.listen(opened._engine, "before_cursor_execute", steal)
    found = house.claim(other, 2)
    assert found == Standing(digest="d" * 64, trace_id="t3", answer=None)
    opened.close()
