import asyncio
import errno
import json
import os
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninefold.adapters.events import ndjson
from ninefold.adapters.events.ndjson import NdjsonEventLog, read_events, read_segment, segments
from ninefold.adapters.memory.events import MemoryEventLog
from ninefold.domain.errors import InvalidRequest


@pytest.fixture(params=["ndjson", "memory"])
def make(request, tmp_path):
    """Makes a log with a buffer of so many bytes, and what reads it."""
    logs = []

    def log(buffer_bytes=1_000_000):
        if request.param == "memory":
            logs.append(MemoryEventLog(buffer_bytes=buffer_bytes))
            return logs[-1], lambda: list(logs[-1].events)
        # Only `flush` writes, so that what the buffer holds does not depend on the machine's speed.
        logs.append(NdjsonEventLog(tmp_path / "events", worker="w0", epoch=1, buffer_bytes=buffer_bytes, flush_s=3600))
        return logs[-1], lambda: list(read_events(tmp_path / "events"))

    yield log
    for opened in logs:
        asyncio.run(opened.close())


def test_what_was_flushed_is_read_in_order(make):
    log, read = make()
    events = [b'{"n":%d}' % n for n in range(100)]
    for event in events:
        log.append(event)
    asyncio.run(log.flush())
    assert read() == events
    log.append(b'{"more":true}')
    asyncio.run(log.flush())
    assert read() == [*events, b'{"more":true}']
    assert log.dropped == 0


def test_flushing_nothing_is_fine(make):
    log, read = make()
    asyncio.run(log.flush())
    assert read() == []


def test_what_does_not_fit_is_dropped_and_counted(make):
    log, read = make(buffer_bytes=20)
    log.append(b'{"a":123}')  # 10 bytes with its line break
    log.append(b'{"b":123}')  # exactly full
    log.append(b"{}")
    assert log.dropped == 1
    asyncio.run(log.flush())
    assert read() == [b'{"a":123}', b'{"b":123}']


def test_an_event_larger_than_the_buffer_is_dropped(make):
    log, read = make(buffer_bytes=20)
    log.append(b'"' + b"x" * 30 + b'"')
    log.append(b"{}")
    asyncio.run(log.flush())
    assert (log.dropped, read()) == (1, [b"{}"])


def test_an_event_of_two_lines_is_dropped(make):
    log, read = make()
    log.append(b'{"a":\n1}')
    log.append(b"{}")
    asyncio.run(log.flush())
    assert (log.dropped, read()) == (1, [b"{}"])


def test_closing_flushes_and_later_events_are_dropped(make):
    log, read = make()
    log.append(b"{}")
    asyncio.run(log.close())
    assert read() == [b"{}"]
    log.append(b'{"late":1}')
    asyncio.run(log.close())
    assert (log.dropped, read()) == (1, [b"{}"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text(), max_size=20))
def test_any_json_comes_back(make, texts):
    log, read = make()
    already = len(read())
    events = [json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass") for text in texts]
    for event in events:
        log.append(event)
    asyncio.run(log.flush())
    assert read()[already if isinstance(log, NdjsonEventLog) else 0 :] == events


def test_a_flushed_buffer_takes_more(tmp_path):
    log = NdjsonEventLog(tmp_path, worker="w0", epoch=1, buffer_bytes=10, flush_s=3600)
    for n in range(5):
        log.append(b'{"a":%03d}' % n)
        asyncio.run(log.flush())
    asyncio.run(log.close())
    assert (log.dropped, len(list(read_events(tmp_path)))) == (0, 5)


def test_events_reach_the_disk_without_being_asked(tmp_path):
    log = NdjsonEventLog(tmp_path, worker="w0", epoch=1)
    for group in (b'{"first":1}', b'{"second":1}'):
        log.append(group)
        give_up = time.monotonic() + 30
        while group not in list(read_events(tmp_path)):
            assert time.monotonic() < give_up
            time.sleep(0.01)
    asyncio.run(log.close())


def test_segments_end_at_their_size_and_are_read_in_order(tmp_path):
    log = NdjsonEventLog(tmp_path, worker="w0", epoch=1, segment_bytes=50, flush_s=3600)
    events = [b'{"n":%d,"x":"%s"}' % (n, b"y" * n) for n in range(30)]
    for event in events:
        log.append(event)
        asyncio.run(log.flush())
    asyncio.run(log.close())
    assert len(segments(tmp_path)) > 10
    assert list(read_events(tmp_path)) == events
    assert {stat.S_IMODE(path.stat().st_mode) for path in segments(tmp_path)} == {0o600}


def test_writers_have_files_of_their_own_and_never_reopen_one(tmp_path):
    for worker, epoch, event in (("w0", 1, b"1"), ("w0", 2, b"2"), ("w1", 1, b"3"), ("w0", 1, b"4")):
        log = NdjsonEventLog(tmp_path, worker=worker, epoch=epoch)
        log.append(event)
        asyncio.run(log.close())
    assert [path.name for path in segments(tmp_path)] == [
        "w0-0000000001-000000.ndjson",
        "w0-0000000001-000001.ndjson",
        "w0-0000000002-000000.ndjson",
        "w1-0000000001-000000.ndjson",
    ]
    assert list(read_events(tmp_path)) == [b"1", b"4", b"2", b"3"]


@pytest.mark.parametrize("worker", ["", "../w", "a/b", "a b", "w-0"])
def test_a_writers_name_is_no_path(tmp_path, worker):
    with pytest.raises(InvalidRequest):
        NdjsonEventLog(tmp_path, worker=worker, epoch=1)


def test_other_files_are_not_read(tmp_path):
    (tmp_path / "notes.ndjson").write_bytes(b"{}\n")
    assert list(read_events(tmp_path)) == []
    assert list(read_events(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("tail", [b'{"torn"', b'{"whole but":"unended"}', b"\0\0\0", b"\0\0\0{}\n"])
def test_a_torn_tail_is_never_counted(tmp_path, tail):
    path = tmp_path / "w0-0000000001-000000.ndjson"
    path.write_bytes(b'{"n":1}\n{"n":2}\n' + tail)
    assert list(read_segment(path)) == [b'{"n":1}', b'{"n":2}']


def test_every_prefix_of_a_segment_reads_as_a_prefix_of_its_events(tmp_path):
    events = [b'{"n":1}', b'{"text":"\xc3\xbc"}', b"{}"]
    whole = b"".join(event + b"\n" for event in events)
    path = tmp_path / "w0-0000000001-000000.ndjson"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert list(read_segment(path)) == events[: whole[:length].count(b"\n")]


def test_a_full_disk_drops_counts_and_leaves_no_torn_line(tmp_path, monkeypatch):
    log = NdjsonEventLog(tmp_path, worker="w0", epoch=1, buffer_bytes=100, flush_s=3600)
    log.append(b'{"before":1}')
    asyncio.run(log.flush())
    real_write, full = os.write, [True]

    def write(descriptor, data):
        if not full[0]:
            return real_write(descriptor, data)
        if len(data) > 4:
            return real_write(descriptor, data[:4])  # a part still fits
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ndjson.os, "write", write)
    for n in range(3):
        log.append(b'{"lost":%d}' % n)
    asyncio.run(log.flush())
    assert log.dropped == 3
    full[0] = False
    for _ in range(5):  # the buffer has room again
        log.append(b'{"after":1}')
    asyncio.run(log.close())
    assert list(read_events(tmp_path)) == [b'{"before":1}'] + [b'{"after":1}'] * 5
    assert log.dropped == 3


def test_a_folder_that_cannot_be_made_drops_and_recovers(tmp_path):
    (tmp_path / "events").write_text("in the way")
    log = NdjsonEventLog(tmp_path / "events", worker="w0", epoch=1, flush_s=3600)
    log.append(b"{}")
    asyncio.run(log.flush())
    assert log.dropped == 1
    (tmp_path / "events").unlink()
    log.append(b"{}")
    asyncio.run(log.close())
    assert (log.dropped, list(read_events(tmp_path / "events"))) == (1, [b"{}"])


_WRITER = """
import asyncio, sys
from pathlib import Path
from ninefold.adapters.events.ndjson import NdjsonEventLog

async def main():
    log = NdjsonEventLog(Path(sys.argv[1]), worker="w0", epoch=1, segment_bytes=20_000, flush_s=0.001)
    n = 0
    while True:
        for _ in range(50):
            log.append(b'{"n":%d}' % n)
            n += 1
        await log.flush()
        print(n, flush=True)

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_flushed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        reports = [writer.stdout.readline() for _ in range(30)]
        writer.kill()
        reports += writer.stdout.readlines()
    flushed = int([report for report in reports if report.endswith("\n")][-1])
    read = [json.loads(event)["n"] for event in read_events(tmp_path)]
    assert read == list(range(len(read)))
    assert len(read) >= flushed >= 1500
