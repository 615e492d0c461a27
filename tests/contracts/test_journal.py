"""The laws of ports/journal.py, over real files."""

import asyncio
import errno
import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from ninefold.adapters.journal import writer as writer_module
from ninefold.adapters.journal.lock import WorkerLock
from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.ports.journal import PieceEnd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def drain(folder: Path, max_bytes: int = 1 << 20) -> tuple[list[object], PieceEnd]:
    reader, seen, end = JournalReader(folder), [], PieceEnd.CLEAN
    for segment in reader.segments():
        offset = 0
        while True:
            piece = reader.read(segment, offset, max_bytes)
            seen += [msgspec.msgpack.decode(payload) for payload in piece.payloads]
            offset, end = piece.offset, piece.end
            if end is not PieceEnd.FULL:
                break
    return seen, end


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.journal")
    return path


def test_what_was_committed_is_read_back_in_order_by_another_process(folder):
    journal = JournalWriter(folder, "w0", 1)
    assert [journal.append([1, "a"]), journal.append({"b": 2})] == [1, 2]
    assert drain(folder) == ([], PieceEnd.CLEAN), "an append alone is nowhere"
    journal.commit()
    journal.append("c")
    journal.commit()
    program = f"""
        import msgspec, pathlib
        from ninefold.adapters.journal.reader import JournalReader
        reader = JournalReader(pathlib.Path({str(folder)!r}))
        (segment,) = reader.segments()
        print([msgspec.msgpack.decode(p) for p in reader.read(segment, 0, 1 << 20).payloads])
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[[1, 'a'], {'b': 2}, 'c']"
    assert journal.sequence == 3
    journal.close()


@pytest.mark.parametrize("max_bytes", [1, 10, 64, 1 << 20])
def test_reading_on_misses_and_repeats_nothing(folder, max_bytes):
    journal = JournalWriter(folder, "w0", 1, segment_bytes=600)
    for n in range(60):
        journal.append([n, "x" * (n % 7) * 10])
        journal.commit()
    assert len(JournalReader(folder).segments()) > 1, "it rotated"
    seen, end = drain(folder, max_bytes)
    assert [record[0] for record in seen] == list(range(60))
    assert end is PieceEnd.CLEAN
    journal.close()


def test_a_torn_last_frame_is_never_read(folder):
    journal = JournalWriter(folder, "w0", 1)
    for n in range(3):
        journal.append(["record", n])
        journal.commit()
    journal.close()
    path = only_file(folder)
    whole = path.read_bytes()
    frame = (len(whole) - 39) // 3
    for cut in range(1, frame):
        path.write_bytes(whole[:-cut])
        seen, end = drain(folder)
        assert (seen, end) == ([["record", 0], ["record", 1]], PieceEnd.TORN)


@pytest.mark.parametrize("count", [2, 15, 16, 300])
def test_the_records_of_one_commit_are_read_all_or_not_at_all(folder, count):
    journal = JournalWriter(folder, "w0", 1)
    journal.append(["before"])
    journal.commit()
    for n in range(count):
        journal.append(["record", n])
    journal.commit()
    journal.close()
    path = only_file(folder)
    whole = path.read_bytes()
    assert drain(folder) == ([["before"], *(["record", n] for n in range(count))], PieceEnd.CLEAN)
    for cut in (1, 9, 15):
        path.write_bytes(whole[:-cut])
        assert drain(folder) == ([["before"]], PieceEnd.TORN)


def test_what_was_written_one_record_a_frame_is_still_read(folder):
    journal = JournalWriter(folder, "w0", 1)
    journal.close()
    path = only_file(folder)
    frames = [struct.pack("<II", len(data), crc32(data)) + data for data in map(msgspec.msgpack.encode, (["h", 1], ["i", 2], ["s", 3]))]
    path.write_bytes(path.read_bytes() + b"".join(frames))
    assert drain(folder) == ([["h", 1], ["i", 2], ["s", 3]], PieceEnd.CLEAN)


def test_a_sound_frame_that_is_no_group_is_reported(folder):
    journal = JournalWriter(folder, "w0", 1)
    journal.close()
    path = only_file(folder)
    data = msgspec.msgpack.encode("not an array")
    path.write_bytes(path.read_bytes() + struct.pack("<II", len(data) | 1 << 31, crc32(data)) + data)
    assert drain(folder) == ([], PieceEnd.CORRUPT)


def test_a_flipped_bit_ends_the_readable_part_and_is_reported(folder):
    journal = JournalWriter(folder, "w0", 1)
    for n in range(3):
        journal.append(["record", n])
        journal.commit()
    journal.close()
    path = only_file(folder)
    whole = bytearray(path.read_bytes())
    position = whole.index(b"record", whole.index(b"record") + 1)
    whole[position] ^= 0x10
    path.write_bytes(whole)
    assert drain(folder) == ([["record", 0]], PieceEnd.CORRUPT)
    whole = bytearray(path.read_bytes())
    whole[9] ^= 1
    path.write_bytes(whole)
    assert drain(folder) == ([], PieceEnd.CORRUPT), "a header that is not ours"


def test_one_process_writes_an_epoch_and_an_epoch_is_written_once(folder):
    journal = JournalWriter(folder, "w0", 1)
    with pytest.raises(Conflict, match="w0"):
        WorkerLock.acquire(folder, "w0", wait_s=0)
    journal.close()
    with pytest.raises(Conflict, match="epoch 1"):
        JournalWriter(folder, "w0", 1)
    JournalWriter(folder, "w0", 2).close()
    assert JournalReader(folder).highest_epoch("w0") == 2
    assert JournalReader(folder).highest_epoch("w1") == 0


def test_death_is_proved_by_the_lock_or_by_a_successor(folder):
    reader = JournalReader(folder)
    journal = JournalWriter(folder, "w0", 4)
    with reader.proof_of_death("elsewhere", 1) as dead:
        assert not dead, "a worker that never ran here"
    with reader.proof_of_death("w0", 4) as dead:
        assert not dead
    with reader.proof_of_death("w0", 3) as dead:
        assert dead, "the living process announced epoch 4"
    journal.close()
    with reader.proof_of_death("w0", 4) as dead:
        assert dead
        with pytest.raises(Conflict):
            WorkerLock.acquire(folder, "w0", wait_s=0)
    WorkerLock.acquire(folder, "w0", wait_s=0).release()


def test_synced_returns_after_an_fsync_and_a_second_thread_does_it(folder, monkeypatch):
    synced_by = []
    real = os.fdatasync
    monkeypatch.setattr(
        writer_module.os, "fdatasync", lambda fd: (synced_by.append(writer_module.threading.current_thread().name), real(fd))
    )

    async def work() -> None:
        journal = JournalWriter(folder, "w0", 1)
        sequence = journal.append("x")
        with pytest.raises(Unavailable):
            await journal.synced(sequence)
        journal.commit()
        async with asyncio.timeout(10):
            await asyncio.gather(journal.synced(sequence), journal.synced(sequence))
        assert synced_by == ["ninefold-journal-w0"]
        await journal.synced(sequence)
        journal.close()

    asyncio.run(work())


def test_a_failed_fsync_is_told_and_nothing_is_taken_any_more(folder, monkeypatch):
    def broken(fd):
        raise OSError(errno.EIO, "I/O error")

    async def work() -> None:
        journal = JournalWriter(folder, "w0", 1)
        sequence = journal.append("x")
        monkeypatch.setattr(writer_module.os, "fdatasync", broken)
        journal.commit()
        with pytest.raises(Unavailable, match="lost data"):
            async with asyncio.timeout(10):
                await journal.synced(sequence)
        journal.append("y")
        with pytest.raises(Unavailable):
            journal.commit()
        journal.close()

    asyncio.run(work())


@pytest.mark.parametrize("room", [0, 3, 14, 20])
@pytest.mark.parametrize("can_truncate", [True, False])
def test_a_full_disk_refuses_and_goes_on_when_there_is_space(folder, monkeypatch, room, can_truncate):
    journal = JournalWriter(folder, "w0", 1)
    journal.append("before")
    journal.commit()
    real, left = os.write, room

    def write(fd, data):
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = real(fd, bytes(data)[:left])
        left -= taken
        return taken

    def no_truncate(fd, size):
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as full:
        full.setattr(writer_module.os, "write", write)
        if not can_truncate:
            full.setattr(writer_module.os, "ftruncate", no_truncate)
        journal.append("first")
        journal.append("second")
        with pytest.raises(Unavailable, match="No space left"):
            journal.commit()
        with pytest.raises(Unavailable):
            journal.commit()
        seen_while_full = drain(folder)[0]
    journal.append("after")
    journal.commit()
    seen, end = drain(folder)
    assert seen == ["before", "first", "second", "after"], "each exactly once"
    assert seen[: len(seen_while_full)] == seen_while_full, "what a reader saw meanwhile stays true"
    assert end is PieceEnd.CLEAN
    journal.close()


def test_a_short_write_is_finished(folder, monkeypatch):
    journal = JournalWriter(folder, "w0", 1)
    real = os.write
    with monkeypatch.context() as short:
        short.setattr(writer_module.os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
        journal.append("a longer record")
        journal.append("another")
        journal.commit()
    assert drain(folder)[0] == ["a longer record", "another"]
    journal.close()


def test_the_backlog_of_a_full_disk_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(writer_module, "_BACKLOG_BYTES", 1000)
    journal = JournalWriter(folder, "w0", 1)
    for _ in range(10):
        journal.append("x" * 100)
    with pytest.raises(Unavailable, match="free some space"):
        journal.append("x")
    journal.close()


def test_a_folder_without_journals_is_empty_and_deleted_segments_are_gone(folder):
    reader = JournalReader(folder)
    assert reader.segments() == ()
    journal = JournalWriter(folder, "w-1.x", 1)
    journal.close()
    (segment,) = reader.segments()
    assert (segment.worker, segment.epoch, segment.number) == ("w-1.x", 1, 1)
    reader.delete(segment)
    reader.delete(segment)
    assert reader.segments() == ()
    with pytest.raises(Unavailable):
        reader.read(segment, 0, 100)
