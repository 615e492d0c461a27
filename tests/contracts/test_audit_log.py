"""Laws of `ninefold.ports.audit_log.AuditLog`."""

import os

import pytest

from ninefold.adapters.audit_files import groups
from ninefold.adapters.audit_files import log as files
from ninefold.adapters.memory.audit_log import MemoryAuditLog
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.ports.audit_log import Standing


@pytest.fixture(params=["memory", "folder"])
def log(request, tmp_path):
    return MemoryAuditLog() if request.param == "memory" else files.FolderAuditLog(tmp_path / "audit")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # Small groups: what 65,536 leaves would show, eight do.
    monkeypatch.setattr(files, "GROUP", 8)
    return tmp_path / "audit"


def note(size):
    return f"log\n{size}\nroot\n\n\N{EM DASH} log c2ln\n"


def add(log, start, stop):
    leaves = [b'{"n":%d}' % n for n in range(start, stop)]
    hashes = {0: b"".join(bytes([n]) * 32 for n in range(start, stop)), 1: b"x" * 32 * ((stop >> 8) - (start >> 8))}
    log.append(leaves, hashes, Standing(size=stop, note=note(stop), state=b"state %d" % stop))


def filled(log, *stops):
    log.open()
    start = 0
    for stop in stops:
        add(log, start, stop)
        start = stop
    return log


def test_nothing_is_nothing(log):
    assert log.standing() is None
    assert log.open() == Standing()
    assert (list(log.leaves(0, 5)), log.hashes(0, 0, 5), log.notes()) == ([], b"", "")


def test_what_was_appended_is_read_in_its_order_as_far_as_it_goes(log):
    filled(log, 3, 3, 10)
    assert log.standing() == Standing(size=10, note=note(10), state=b"state 10")
    assert list(log.leaves(2, 5)) == [b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert list(log.leaves(8, 99)) == [b'{"n":8}', b'{"n":9}']
    assert log.hashes(0, 1, 3) == b"\1" * 32 + b"\2" * 32
    assert log.hashes(0, 9, 99) == b"\x09" * 32
    assert log.hashes(1, 0, 1) == b""
    assert log.notes() == note(3) + note(10)


def test_there_is_one_writer(tmp_path):
    first, second = files.FolderAuditLog(tmp_path), files.FolderAuditLog(tmp_path)
    first.open()
    with pytest.raises(Conflict, match="another living process"):
        second.open()
    first.close()
    first.close()
    second.open()


def test_files_are_as_long_as_they_may_be_and_reading_goes_across_them(folder):
    filled(files.FolderAuditLog(folder), 5, 8, 21, 24).close()
    assert sorted(path.name for path in (folder / "leaves").iterdir()) == ["000000.ndjson", "000001.ndjson", "000002.ndjson"]
    log = files.FolderAuditLog(folder)
    assert log.open().size == 24
    add(log, 24, 25)
    assert [int(leaf[5:-1]) for leaf in log.leaves(6, 25)] == list(range(6, 25))
    assert log.hashes(0, 6, 25) == b"".join(bytes([n]) * 32 for n in range(6, 25))


STEPS = [
    ("append_durably", 1),
    ("append_durably", 2),
    ("append_durably", 3),
    ("replace_durably", 1),
    ("append_durably", 5),
    ("append_durably", 7),
]


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize(("where", "count"), STEPS)
def test_a_writer_that_dies_anywhere_leaves_the_log_as_it_was_or_as_it_was_to_be(folder, monkeypatch, where, count, torn):
    log = filled(files.FolderAuditLog(folder), 6)
    calls = []
    real = getattr(groups, where)

    def dies(path, data):
        calls.append(path)
        if len(calls) == count:
            if torn and where == "append_durably":
                real(path, data[: len(data) // 2])
            raise OSError("killed here")
        real(path, data)

    monkeypatch.setattr(files, where, dies)
    with pytest.raises(Unavailable):
        add(log, 6, 20)
    monkeypatch.undo()
    monkeypatch.setattr(files, "GROUP", 8)
    log.close()
    after = files.FolderAuditLog(folder)
    size = after.open().size
    assert size == (20 if (where, count) == STEPS[-1] else 6)
    assert len(list(after.leaves(0, 99))) == size
    assert after.notes() == (note(6) + note(20) if size == 20 else note(6))
    if size == 6:
        add(after, 6, 20)
    assert [int(leaf[5:-1]) for leaf in after.leaves(0, 99)] == list(range(20))
    assert len(after.hashes(0, 0, 99)) == 20 * 32


@pytest.mark.parametrize("name", ["leaves/000000.ndjson", "tiles/0/000000"])
def test_a_log_that_lost_its_end_takes_no_more(folder, name):
    filled(files.FolderAuditLog(folder), 6).close()
    os.truncate(folder / name, (folder / name).stat().st_size - 1)
    with pytest.raises(Conflict, match="audit verify"):
        files.FolderAuditLog(folder).open()


def test_leaves_without_a_standing_are_no_beginning(folder):
    filled(files.FolderAuditLog(folder), 6).close()
    (folder / "standing.json").write_bytes(b"{")
    with pytest.raises(Conflict, match="cannot be understood"):
        files.FolderAuditLog(folder).open()
    (folder / "standing.json").unlink()
    with pytest.raises(Conflict, match="has leaves"):
        files.FolderAuditLog(folder).open()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "audit").write_bytes(b"a file in its place")
    with pytest.raises(Unavailable):
        files.FolderAuditLog(tmp_path / "audit").open()
