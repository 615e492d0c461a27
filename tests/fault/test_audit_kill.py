"""kill -9 of whoever writes the audit log, again and again: no record is lost, none is there twice, every checkpoint still fits."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

from ninefold.adapters.audit_files.log import FolderAuditLog
from ninefold.adapters.ed25519.key import verify
from ninefold.adapters.journal.writer import JournalWriter
from ninefold.audit.checkpoint import parse_key
from ninefold.audit.verify import verify_log
from ninefold.finops.records import Answered, Decided

REQUESTS = 3000
KILLS = 8
# What control does, and nothing else of it: steps until it is killed.
SEQUENCE = """
import asyncio, sys
from pathlib import Path
from ninefold.adapters.audit_files.log import FolderAuditLog
from ninefold.adapters.ed25519.key import SigningKey
from ninefold.adapters.journal.reader import JournalReader
from ninefold.app.audit_entries import entry_of
from ninefold.audit import sequencer
from ninefold.audit.checkpoint import LogKey

class NoActs:
    async def since(self, seq, limit):
        return ()

sequencer._BATCH_LEAVES = 100
folder = Path(sys.argv[1])
key = SigningKey.ensure(folder / "audit" / "signing.key")
named = LogKey(name="ninefold/test", public=key.public)
(folder / "signing.pub").write_text(named.text())
signer = sequencer.Signer(key=named, sign=key.sign)
log = FolderAuditLog(folder / "audit")
mine = sequencer.Sequencer(log, JournalReader(folder / "journal"), NoActs(), entry_of, signer, alarm=print)
while True:
    asyncio.run(mine.step())
    print(mine.size, flush=True)
"""


def write(writer: JournalWriter, n: int) -> None:
    writer.append(Decided(f"d{n}", f"r{n}", f"t{n}", "acme", "k", "m", "s", 1.0, "allow", (), "p"))
    writer.append(Answered(f"r{n}", f"t{n}", "acme", "k", "m", "s", 1.0, "dep", 1, "200", "{}", "[]", 1.0, 2.0, 3))
    writer.commit()


def test_a_sequencer_killed_again_and_again_loses_and_repeats_nothing(tmp_path):
    chance = random.Random(11)
    writers = [JournalWriter(tmp_path / "journal", f"w{n}", 1, segment_bytes=20_000) for n in range(3)]
    log, sizes, written = FolderAuditLog(tmp_path / "audit"), [0], 0
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", SEQUENCE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(REQUESTS // KILLS):
            write(chance.choice(writers), written)
            written += 1
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.wait()
        process.stdout.close()
        standing = log.standing()
        assert standing is not None
        sizes.append(standing.size)
    process = subprocess.Popen([sys.executable, "-c", SEQUENCE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any(int(line) == 2 * written for line in process.stdout)
    process.kill()
    process.wait()
    process.stdout.close()
    for writer in writers:
        writer.close()

    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2, "it was killed in the middle of its work"
    report = verify_log(log, parse_key((tmp_path / "signing.pub").read_text()), verify)
    assert report.problems == []
    leaves = [json.loads(leaf) for leaf in log.leaves(0, report.size)]
    assert len(leaves) == 2 * written
    assert sorted(leaf["record"]["request_id"] for leaf in leaves) == sorted(f"r{n}" for n in range(written) for _ in range(2))
    for worker in range(3):
        sequences = [leaf["sequence"] for leaf in leaves if leaf["worker"] == f"w{worker}"]
        assert sequences == list(range(1, len(sequences) + 1))
