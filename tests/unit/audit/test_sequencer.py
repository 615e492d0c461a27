"""From journals to leaves, on real journals in a folder and a log in memory."""

import asyncio
import json

import msgspec
import pytest

from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.adapters.memory.audit_log import MemoryAuditLog
from ninefold.app.audit_entries import entry_of
from ninefold.audit.checkpoint import LogKey, open_note
from ninefold.audit.merkle import leaf_hash
from ninefold.audit.proofs import Proofs
from ninefold.audit.sequencer import Sequencer, Signer
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.finops.records import Answered, Closed, Decided, Held, Intended, Refused, Settled
from ninefold.ports.act_log import Act

KEY = LogKey(name="ninefold/test", public=bytes(32))


def sign(message):
    return leaf_hash(message)


def is_signed(public, message, signature):
    return signature == leaf_hash(message)


class Acts:
    def __init__(self):
        self.rows = []

    def add(self, kind, seq=None):
        self.rows.append(Act(seq=seq or len(self.rows) + 1, at=1.0, kind=kind, subject="s", detail='{"b": 1}'))

    async def since(self, seq, limit):
        return tuple(act for act in self.rows if act.seq > seq)[:limit]


class Room:
    """A folder of journals, and what sequences them."""

    def __init__(self, folder):
        self.folder, self.acts, self.log, self.alarms = folder, Acts(), MemoryAuditLog(), []
        self.writers = {}
        self.witness = None

    def writer(self, worker="w", epoch=1, **options):
        writer = self.writers[worker, epoch] = JournalWriter(self.folder, worker, epoch, **options)
        return writer

    def sequencer(self, log=None):
        self.log.close()
        alarm = lambda event, **fields: self.alarms.append((event, fields))
        return Sequencer(
            log or self.log, JournalReader(self.folder), self.acts, entry_of, Signer(key=KEY, sign=sign), alarm=alarm, witness=self.witness
        )

    def leaves(self):
        standing = self.log.standing()
        return [] if standing is None else [json.loads(leaf) for leaf in self.log.leaves(0, standing.size)]


@pytest.fixture
def room(tmp_path):
    found = Room(tmp_path / "journal")
    yield found
    for writer in found.writers.values():
        writer.close()


def decided(n, again=""):
    return Decided(f"d{n}{again}", f"r{n}", f"t{n}", "acme", "k", "m", "s", 1.0, "allow", (("rule", "allow", "why", ""),), "p1")


def held(n, decision=None):
    return Held(f"r{n}", f"t{n}", decision or f"d{n}", "acme", "k", "m", "chat", (), 1.0, 5, msgspec.Raw(b"\x90"))


def answered(n):
    return Answered(f"r{n}", f"t{n}", "acme", "k", "m", "s", 1.0, "dep", 1, "completed", '{"a":1}', "[]", 1.0, 2.0, 3)


def served(writer, n):
    for record in (decided(n), held(n), Intended(f"r{n}.1", f"r{n}", "dep", 1.0, 5, 1, 1, "p", False, "USD")):
        writer.append(record)
    writer.commit()
    for record in (Settled(f"r{n}.1", f"r{n}", 2.0, "completed", 1, 1, 0, 0, 0, False, 3, 0), Closed(f"r{n}", 2.0), answered(n)):
        writer.append(record)
    writer.commit()


def refused(writer, n):
    writer.append(decided(n))
    writer.append(Refused(f"r{n}", f"t{n}", "acme", "k", "m", "s", 1.0, "budget_exceeded", "no more"))
    writer.commit()


def run(sequencer, times=1):
    return [asyncio.run(sequencer.step()) for _ in range(times)]


def names(leaves):
    return [(leaf["worker"], leaf["epoch"], leaf["sequence"], leaf["kind"]) for leaf in leaves]


def test_what_was_decided_answered_refused_settled_and_administered_is_a_leaf(room):
    writer = room.writer()
    served(writer, 1)
    refused(writer, 2)
    room.acts.add("key.created")
    sequencer = room.sequencer()
    assert run(sequencer, 2) == [6, 0]
    leaves = room.leaves()
    assert names(leaves) == [
        ("w", 1, 1, "decision"),
        ("w", 1, 4, "settlement"),
        ("w", 1, 6, "answer"),
        ("w", 1, 7, "decision"),
        ("w", 1, 8, "refusal"),
        ("admin", 1, 1, "admin"),
    ]
    assert leaves[0]["record"]["decision_id"] == "d1"
    assert leaves[5]["record"] == {"at": 1.0, "act": "key.created", "subject": "s", "detail": {"b": 1}}
    assert "route" not in leaves[2]["record"]
    assert len(leaves[2]["record"]["route_sha256"]) == 64
    assert (room.alarms, sequencer.gaps) == ([], {})
    raw = list(room.log.leaves(0, 6))
    assert all(leaf == json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() for leaf in raw)


def test_every_batch_is_under_a_checkpoint_of_its_tree(room):
    writer, sequencer = room.writer(), room.sequencer()
    for n in range(3):
        served(writer, n)
        run(sequencer)
        standing = room.log.standing()
        checkpoint = open_note(standing.note, KEY, is_signed)
        assert (checkpoint.size, checkpoint.root) == (standing.size, Proofs(room.log.hashes).root(standing.size))
    assert room.log.notes().count("\N{EM DASH}") == 3


def test_a_sequencer_that_starts_anew_repeats_and_loses_nothing(room):
    writer = room.writer(segment_bytes=400)
    other = room.writer("v", 2)
    for n in range(12):
        served(writer, n)
        refused(other, n + 100)
        if n % 3 == 0:
            run(room.sequencer())
    run(room.sequencer())
    found = names(room.leaves())
    assert len(found) == len(set(found)) == 12 * 3 + 12 * 2
    for key in (("w", 1), ("v", 2)):
        sequences = [sequence for worker, epoch, sequence, _ in found if (worker, epoch) == key]
        assert sequences == sorted(sequences)


class Failing(MemoryAuditLog):
    """Every second `append` fails; one writer opens it again and again, as it may with a folder."""

    tries = 0

    def open(self):
        self.close()
        return super().open()

    def append(self, *rest):
        self.tries += 1
        if self.tries % 2:
            raise Unavailable("the disk is full")
        super().append(*rest)


def test_what_could_not_be_written_is_sequenced_by_the_next_step(room):
    room.log = Failing()
    sequencer = room.sequencer()
    writer = room.writer()
    for n in range(2):
        served(writer, n)
        with pytest.raises(Unavailable):
            run(sequencer)
        assert run(sequencer) == [3]
    assert len(set(names(room.leaves()))) == 6


def test_who_was_served_without_a_decision_is_an_alarm(room):
    writer = room.writer()
    for record in (held(1), answered(1), decided(2), held(2, "d9"), answered(2), answered(2)):
        writer.append(record)
    writer.commit()
    sequencer = room.sequencer()
    run(sequencer)
    assert [fields["what"] for _, fields in room.alarms] == [
        "request r1 was held without decision d1",
        "request r1 was answered without a decision",
        "request r2 was held without decision d9",
        "request r2 was answered without a decision",
    ]
    again = room.sequencer()
    run(again)
    assert set(again.gaps) == {"r1", "r2"}, "a gap stays until somebody has explained it"
    assert len(room.alarms) == 4


def test_a_request_decided_before_a_restart_and_served_after_it_is_no_gap(room):
    writer = room.writer()
    for record in (decided(1), decided(1, "-again")):
        writer.append(record)
    writer.commit()
    run(room.sequencer())
    for record in (held(1, "d1-again"), answered(1)):
        writer.append(record)
    writer.commit()
    run(room.sequencer())
    assert room.alarms == []


def test_a_damaged_journal_is_a_gap_and_what_was_before_it_is_in_the_log(room):
    writer = room.writer()
    served(writer, 1)
    whole = next(room.folder.glob("*.journal"))
    size = whole.stat().st_size
    served(writer, 2)
    data = bytearray(whole.read_bytes())
    data[size + 12] ^= 1
    whole.write_bytes(data)
    sequencer = room.sequencer()
    run(sequencer, 2)
    assert len(room.leaves()) == 3
    assert room.alarms == [("audit.gap", {"about": "w/1/1", "what": f"the journal is damaged at byte {size}"})]
    data[size + 12] ^= 1
    whole.write_bytes(data)
    run(sequencer)
    assert (len(room.leaves()), sequencer.gaps) == (6, {})


def test_acts_and_segments_that_are_missing_are_gaps(room):
    writer = room.writer(segment_bytes=100)
    for n in range(4):
        served(writer, n)
    room.acts.add("a", seq=3)
    (room.folder / "w-00000001-2.journal").unlink()
    run(room.sequencer())
    assert [fields["what"] for _, fields in room.alarms] == ["segment 2 is missing", "administrative acts 1 to 2 are missing"]


def test_a_log_begun_late_counts_from_what_is_left_and_raises_no_alarm(room):
    writer = room.writer(segment_bytes=100)
    writer.append(decided(1))
    writer.commit()
    for record in (held(1), answered(1)):
        writer.append(record)
    writer.commit()
    served(writer, 2)
    (room.folder / "w-00000001-1.journal").unlink()
    run(room.sequencer())
    assert room.alarms == []
    assert names(room.leaves())[0] == ("w", 1, 2, "answer")


def test_a_segment_may_go_only_when_its_records_are_in_the_log(room):
    writer = room.writer()
    served(writer, 1)
    sequencer = room.sequencer()
    reader = JournalReader(room.folder)
    assert not sequencer.has(reader.segments()[0])
    run(sequencer)
    assert sequencer.has(reader.segments()[0])
    served(writer, 2)
    assert not sequencer.has(reader.segments()[0])
    for old in reader.segments():
        reader.delete(old)
    run(sequencer)
    assert json.loads(room.log.standing().state)["epochs"] == []


def test_a_log_that_was_changed_is_not_gone_on_with(room):
    served(room.writer(), 1)
    run(room.sequencer())
    room.log._levels[0] = b"x" * len(room.log._levels[0])
    with pytest.raises(Conflict, match="audit verify"):
        run(room.sequencer())
    room.log._levels[0] = b""
    with pytest.raises(Conflict, match="level 0 ends before"):
        run(room.sequencer())


class Away:
    def __init__(self):
        self.there, self.kept = True, []

    def remember(self, note):
        if not self.there:
            raise Unavailable("not mounted")
        self.kept.append(note)


def test_a_witness_that_was_away_is_told_later(room):
    room.witness = Away()
    writer, sequencer = room.writer(), room.sequencer()
    served(writer, 1)
    run(sequencer, 2)
    room.witness.there = False
    served(writer, 2)
    run(sequencer, 2)
    assert sequencer.witness_behind
    assert [event for event, _ in room.alarms] == ["audit.witness_behind"]
    room.witness.there = True
    run(sequencer, 2)
    assert not sequencer.witness_behind
    assert "".join(room.witness.kept) == room.log.notes()
