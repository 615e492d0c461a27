import asyncio
import threading

import pytest

from ninefold.adapters.sql.deltas import SqlDeltaLog, append_delta
from ninefold.adapters.sql.engine import open_database
from ninefold.ports.delta_log import Delta, DeltaKind


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(database, clock):
    return SqlDeltaLog(database, clock=clock)


def test_an_empty_log_has_nothing(log):
    assert asyncio.run(log.head()) == 0
    assert asyncio.run(log.since(0, 10)) == ()


def test_rows_come_in_order_after_a_number_and_up_to_a_limit(log, clock):
    for n in range(1, 6):
        assert asyncio.run(log.append(DeltaKind.BREAKER_OPENED, f"d{n}", '{"until":1}')) == n
    assert asyncio.run(log.head()) == 5
    assert [delta.seq for delta in asyncio.run(log.since(0, 100))] == [1, 2, 3, 4, 5]
    assert [delta.seq for delta in asyncio.run(log.since(2, 2))] == [3, 4]
    assert asyncio.run(log.since(5, 100)) == ()
    assert asyncio.run(log.since(4, 1)) == (Delta(seq=5, at=clock.now, kind="breaker.opened", subject="d5", payload='{"until":1}'),)


def test_a_kind_of_a_later_version_is_handed_over(log):
    asyncio.run(log.append("moon.eclipsed", "x", "{}"))
    assert asyncio.run(log.since(0, 1))[0].kind == "moon.eclipsed"


def test_rows_older_than_an_hour_go_and_the_gap_shows(log, clock):
    for subject in ("a", "b", "c"):
        asyncio.run(log.append(DeltaKind.TENANT_KILLED, subject, "{}"))
        clock.now += 1800
    clock.now += 1
    asyncio.run(log.append(DeltaKind.TENANT_RESTORED, "d", "{}"))
    assert [delta.subject for delta in asyncio.run(log.since(0, 10))] == ["c", "d"]
    assert asyncio.run(log.since(0, 10))[0].seq == 3
    assert asyncio.run(log.head()) == 4


def test_numbers_become_visible_in_their_order(database, database_url):
    """The one that a plain sequence fails: 1 is taken first and committed last."""
    slow, fast = open_database(database_url), open_database(database_url)
    taken, let_go = threading.Event(), threading.Event()

    def take_and_wait(connection):
        append_delta(connection, "x", "slow", "{}", 1000.0)
        taken.set()
        assert let_go.wait(30)

    first = threading.Thread(target=slow.run_now, args=(take_and_wait,))
    first.start()
    assert taken.wait(30)
    second = threading.Thread(target=fast.run_now, args=(lambda c: append_delta(c, "x", "fast", "{}", 1000.0),))
    second.start()
    second.join(0.3)
    log = SqlDeltaLog(database)
    seen = asyncio.run(log.since(0, 10))
    let_go.set()
    first.join(30)
    second.join(30)
    seen += asyncio.run(log.since(seen[-1].seq if seen else 0, 10))
    assert [(delta.seq, delta.subject) for delta in seen] == [(1, "slow"), (2, "fast")]
    slow.close()
    fast.close()


def test_a_transaction_that_fails_leaves_no_gap(log, database):
    def fail(connection):
        append_delta(connection, "x", "lost", "{}", 1000.0)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        database.run_now(fail)
    assert asyncio.run(log.append("x", "kept", "{}")) == 1


def test_a_reader_beside_several_writers_misses_nothing(database_url, database):
    writers = [open_database(database_url) for _ in range(3)]

    async def write(writer):
        for n in range(10):
            await SqlDeltaLog(writer).append("x", str(n), "{}")

    async def read():
        log, seen = SqlDeltaLog(database), []
        writing = asyncio.gather(*(write(writer) for writer in writers))
        while True:
            done = writing.done()
            seen += [delta.seq for delta in await log.since(seen[-1] if seen else 0, 4)]
            if done and len(seen) == await log.head():
                await writing
                return seen
            await asyncio.sleep(0.002)

    assert asyncio.run(read()) == list(range(1, 31))
    for writer in writers:
        writer.close()
