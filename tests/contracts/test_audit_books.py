"""Laws of `ninefold.ports.record_book.RecordBook` on both databases, and what they are for: the ledger against the leaves."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.adapters.memory.leases import MemoryLeaseStore
from ninefold.adapters.sql.ledger import SqlLedger
from ninefold.adapters.sql.record_book import SqlRecordBook
from ninefold.app.audit_wiring import AuditTrail
from ninefold.audit.crosscheck import compare, is_booked
from ninefold.audit.state import Epoch, State
from ninefold.finops.projector import Projector
from ninefold.finops.records import Answered, Closed, Decided, Held, Intended, Refused, Settled

WHO = ("acme", "k", "m")


def records(n):
    yield Decided(f"d{n}", f"r{n}", f"t{n}", *WHO, "s", 1.1, "allow", (("rule", "allow", "d'où", ""),), "p1")
    if n % 3 == 0:
        yield Refused(f"r{n}", f"t{n}", *WHO, "s", 1.1, "budget_exceeded", "no more")
        return
    yield Held(f"r{n}", f"t{n}", f"d{n}", *WHO, "chat", (), 1.1, 5, msgspec.Raw(b"\x90"))
    yield Intended(f"r{n}.1", f"r{n}", "dep", 1.0, 5, 1, 1, "p", False, "USD")
    yield Settled(f"r{n}.1", f"r{n}", 2.0, "completed", 10, 3, 0, 0, 0, False, 123_456_789_012, 0)
    yield Closed(f"r{n}", 2.0)
    yield Answered(f"r{n}", f"t{n}", *WHO, "s", 1.1, "dep", 1, "200", '{"a":1}', "[]", 0.1, 2.7, 123_456_789_012)


@pytest.fixture
def house(database, tmp_path):
    """Two requests of three served and one refused, in the ledger and in the audit log."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "node").write_text("0a0b0c0d")
    writer = JournalWriter(tmp_path / "journal", "0a0b0c0d-gateway-0", 1)
    for n in range(1, 601):
        for record in records(n):
            writer.append(record)
        writer.commit()
    alarms = []
    trail = AuditTrail(database, tmp_path, alarm=lambda event, **fields: alarms.append((event, fields)))
    journals = JournalReader(tmp_path / "journal")
    projector = Projector(journals, SqlLedger(database), MemoryLeaseStore(), wall=lambda: 0.0, may_delete=trail.may_delete)
    yield trail, projector, alarms, tmp_path, writer
    writer.close()


def change(database, statement):
    assert database.run_now(lambda connection: connection.execute(text(statement))).rowcount == 1


def leaves_in(folder: Path):
    return (folder / "audit" / "leaves" / "000000.ndjson").read_bytes().splitlines()


def test_rows_are_found_under_their_ids_and_counted(house, database):
    trail, projector, alarms, folder, _ = house
    asyncio.run(projector.step())
    book = SqlRecordBook(database)
    assert asyncio.run(book.counts()) == {"decision": 600, "answer": 400, "refusal": 200}
    assert set(asyncio.run(book.rows("decision", ["d1", "d2", "nobody"]))) == {"d1", "d2"}
    assert asyncio.run(book.rows("settlement", ["r1.1"])) == {
        "r1.1": {"cost_nanos": 123_456_789_012, "input_tokens": 10, "output_tokens": 3}
    }
    ((key, place),) = asyncio.run(book.places()).items()
    assert key == ("0a0b0c0d-gateway-0", 1)
    at = Epoch(worker=key[0], epoch=key[1], segment=place[0], offset=place[1])
    assert is_booked(State(epochs=[at]), {key: place})
    assert not is_booked(State(epochs=[at]), {key: (place[0], place[1] - 1)})
    asyncio.run(trail.step())
    assert asyncio.run(compare(book, leaves_in(folder), 0)) == []
    assert alarms == []


CHANGES = [
    ("UPDATE ledger_answers SET cost_nanos = cost_nanos + 1 WHERE request_id = 'r1'", "answer r1 has another cost_nanos"),
    ("UPDATE ledger_answers SET route = '{}' WHERE request_id = 'r1'", "answer r1 has another route"),
    ("UPDATE ledger_decisions SET verdict = 'deny' WHERE decision_id = 'd2'", "decision d2 has another verdict"),
    ("UPDATE ledger_decisions SET reasons = '[]' WHERE decision_id = 'd2'", "decision d2 has another reasons"),
    ("UPDATE ledger_refusals SET detail = 'no morf' WHERE request_id = 'r3'", "refusal r3 has another detail"),
    ("UPDATE ledger_lines SET cost_nanos = 0 WHERE attempt_id = 'r1.1'", "settlement r1.1 has another cost_nanos"),
    ("DELETE FROM ledger_decisions WHERE decision_id = 'd599'", "decision d599 is in leaf"),
]


@pytest.mark.parametrize(("statement", "what"), CHANGES)
def test_a_row_that_was_changed_is_told(house, database, statement, what):
    trail, projector, _, folder, _ = house
    asyncio.run(projector.step())
    asyncio.run(trail.step())
    change(database, statement)
    (found,) = asyncio.run(compare(SqlRecordBook(database), leaves_in(folder), 0))
    assert found.what.startswith(what)


def test_a_row_that_goes_while_we_run_is_an_alarm_and_one_on_its_way_is_none(house, database):
    trail, projector, alarms, _, writer = house
    asyncio.run(trail.step())
    asyncio.run(trail.check())
    for n in (1001, 1002):
        for record in records(n):
            writer.append(record)
    writer.commit()
    asyncio.run(trail.step())
    asyncio.run(projector.step())
    asyncio.run(trail.check())
    for n in (1003, 1004):
        for record in records(n):
            writer.append(record)
    writer.commit()
    asyncio.run(trail.step())
    asyncio.run(trail.check())
    assert alarms == []
    asyncio.run(projector.step())
    change(database, "DELETE FROM ledger_answers WHERE request_id = 'r1003'")
    for _ in range(3):
        asyncio.run(trail.check())
    assert [fields["what"].partition(" in ")[0] for _, fields in alarms] == ["answer r1003 is"]
    assert "ninefold_audit_ledger_differences 1" in trail.metrics()
