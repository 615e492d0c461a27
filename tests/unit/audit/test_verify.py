"""A changed byte, a missing leaf, a forged checkpoint, a cut tail: each is told, and where; by us, and by a verifier that is not ours."""

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.adapters.audit_files.log import FolderAuditLog
from ninefold.adapters.audit_files.witness import FileWitness
from ninefold.adapters.ed25519.key import SigningKey, verify
from ninefold.adapters.memory.audit_log import MemoryAuditLog
from ninefold.audit.checkpoint import LogKey
from ninefold.audit.entry import Entry
from ninefold.audit.prove import prove_trace
from ninefold.audit.sequencer import Sequencer, Signer
from ninefold.audit.verify import verify_log
from ninefold.domain.errors import Conflict, InvalidRequest, NotFound, Unavailable
from ninefold.ports.act_log import Act
from ninefold.ports.audit_log import Standing

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "verify_audit.py"
LEAVES = 700


class Acts:
    """As many administrative acts as were asked for."""

    count = 0

    async def since(self, seq, limit):
        stop = min(self.count, seq + limit)
        return tuple(Act(seq=n, at=1.0, kind="key.created", subject=f"{n:032x}", detail="{}") for n in range(seq + 1, stop + 1))


class NoJournals:
    def segments(self):
        return ()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A log of several checkpoints over more than two tiles, its key, and its witness."""
    folder = tmp_path_factory.mktemp("made")
    key = SigningKey.ensure(folder / "audit" / "signing.key")
    named = LogKey(name="ninefold/test", public=key.public)
    witness = FileWitness(folder / "witness", "")
    acts = Acts()
    log = FolderAuditLog(folder / "audit")
    signer = Signer(key=named, sign=key.sign)
    sequencer = Sequencer(log, NoJournals(), acts, lambda payload: Entry(kind=None), signer, alarm=print, witness=witness)
    for acts.count in (1, 3, 256, 600, LEAVES):
        asyncio.run(sequencer.step())
    log.close()
    return folder, key, named


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "copy")
    return tmp_path / "copy"


def found(copy, made, *, witness=True):
    notes = (copy / "witness").read_text() if witness else ""
    return verify_log(FolderAuditLog(copy / "audit"), made[2], verify, witnessed=notes)


def told(report):
    return [f"{each.where}: {each.what}" for each in report.problems]


def independent(*words, key):
    done = subprocess.run([sys.executable, "-I", SCRIPT, *words, "--key", key.text()], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout == "sound\n" else 1)
    return done.stdout


def change(path, at, length=1):
    data = bytearray(path.read_bytes())
    for place in range(at, at + length):
        data[place] ^= 1
    path.write_bytes(data)


def test_a_log_nobody_touched_is_sound(copy, made):
    report = found(copy, made)
    assert told(report) == []
    assert (report.size, report.checkpoints, report.witnessed, report.counts) == (LEAVES, 5, 5, {"admin": LEAVES})
    assert independent("log", copy / "audit", "--witness", copy / "witness", key=made[2]) == "sound\n"


def leaf_at(copy, index):
    lines = (copy / "audit" / "leaves" / "000000.ndjson").read_bytes().split(b"\n")
    return sum(len(line) + 1 for line in lines[:index]), len(lines[index]) + 1


def one_byte_of_a_leaf(copy):
    change(copy / "audit" / "leaves" / "000000.ndjson", leaf_at(copy, 417)[0] + 90)


def a_leaf_is_cut_out(copy):
    path = copy / "audit" / "leaves" / "000000.ndjson"
    start, length = leaf_at(copy, 417)
    data = path.read_bytes()
    path.write_bytes(data[:start] + data[start + length :])


def the_tail_is_cut(copy):
    path = copy / "audit" / "leaves" / "000000.ndjson"
    path.write_bytes(path.read_bytes()[: leaf_at(copy, 650)[0]])


def one_byte_of_a_tile(copy):
    change(copy / "audit" / "tiles" / "0" / "000000", 417 * 32 + 5)


def one_byte_of_an_upper_tile(copy):
    change(copy / "audit" / "tiles" / "1" / "000000", 33)


def a_tile_is_cut(copy):
    path = copy / "audit" / "tiles" / "0" / "000000"
    path.write_bytes(path.read_bytes()[: 650 * 32])


def a_checkpoint_is_edited(copy):
    path = copy / "audit" / "checkpoints"
    path.write_text(path.read_text().replace("\n256\n", "\n255\n"))


def the_newest_note_is_edited(copy):
    path = copy / "audit" / "standing.json"
    path.write_text(path.read_text().replace("\\n700\\n", "\\n699\\n"))


def the_log_is_rolled_back(copy):
    """As it was with 600 leaves, everywhere in the folder."""
    leaves = copy / "audit" / "leaves" / "000000.ndjson"
    leaves.write_bytes(leaves.read_bytes()[: leaf_at(copy, 600)[0]])
    path = copy / "audit" / "checkpoints"
    notes = path.read_text()
    path.write_text(notes[: notes.index("ninefold/test\n700\n")])
    newest = notes[notes.index("ninefold/test\n600\n") : notes.index("ninefold/test\n700\n")]
    standing = json.loads((copy / "audit" / "standing.json").read_bytes())
    standing |= {"size": 600, "note": newest, "state": standing["state"].replace("700", "600")}
    (copy / "audit" / "standing.json").write_text(json.dumps(standing))


CASES = [
    (one_byte_of_a_leaf, ["leaf 417 (leaves/000000.ndjson, line 418): it was changed"], True),
    (a_leaf_is_cut_out, ["leaf 417 (leaves/000000.ndjson, line 418): it is missing: the leaf behind it"], True),
    (the_tail_is_cut, ["leaves: leaf 650 is missing: the leaves end there, and 700 were signed"], True),
    (one_byte_of_a_tile, ["tiles/0, hash 417: it was changed: the leaf is the one that was signed"], True),
    (one_byte_of_an_upper_tile, ["tiles/1: hash 1 is not that of the leaves 256 to 511"], False),
    (a_tile_is_cut, ["tiles: tile level 0 ends before hash"], True),
    (a_checkpoint_is_edited, ["checkpoints, note 3: forged or damaged: no signature of ninefold/test"], True),
    (the_newest_note_is_edited, ["standing.json, note 1: forged or damaged"], True),
    (the_log_is_rolled_back, ["the witness, note 5: it covers 700 leaves, and the log ends at 600: the log was cut or rolled back"], True),
]


@pytest.mark.parametrize(("damage", "where", "others_see_it"), CASES, ids=lambda each: getattr(each, "__name__", None))
def test_what_was_done_to_it_is_told_and_where(copy, made, damage, where, others_see_it):
    damage(copy)
    lines = told(found(copy, made))
    for expected in where:
        assert any(line.startswith(expected) for line in lines), lines
    if others_see_it:
        assert "WRONG" in independent("log", copy / "audit", "--witness", copy / "witness", key=made[2])


def rewritten(copy, made, key=None):
    """The log made anew with one leaf changed, and signed with `key` (the true one, where none is given)."""
    leaves = list(FolderAuditLog(made[0] / "audit").leaves(0, LEAVES))
    leaves[417] = leaves[417].replace(b"key.created", b"key.revoked")
    shutil.rmtree(copy / "audit")
    log, signing = FolderAuditLog(copy / "audit"), key or made[1]
    named = LogKey(name="ninefold/test", public=signing.public)

    class Rewriting(Acts):
        count = LEAVES

        async def since(self, seq, limit):
            acts = await super().since(seq, limit)
            return tuple(Act(seq=a.seq, at=a.at, kind="key.revoked", subject=a.subject, detail="{}") if a.seq == 418 else a for a in acts)

    sequencer = Sequencer(
        log, NoJournals(), Rewriting(), lambda payload: Entry(kind=None), Signer(key=named, sign=signing.sign), alarm=print
    )
    asyncio.run(sequencer.step())
    log.close()
    return named


def test_who_has_the_key_can_rewrite_everything_but_the_witness(copy, made):
    rewritten(copy, made)
    assert told(found(copy, made, witness=False)) == []
    lines = told(found(copy, made))
    assert [line.partition(":")[0] for line in lines] == ["the witness, note 4", "the witness, note 5"]
    assert all("rewritten after it was signed" in line for line in lines)
    assert "witness, note 5: does not fit" in independent("log", copy / "audit", "--witness", copy / "witness", key=made[2])


def test_another_key_signs_nothing_for_this_log(copy, made):
    rewritten(copy, made, SigningKey(bytes(32)))
    assert any("standing.json, note 1: forged or damaged" in line for line in told(found(copy, made, witness=False)))
    assert "WRONG" in independent("log", copy / "audit", key=made[2])


def test_every_leaf_is_proved_to_somebody_who_does_not_trust_us(copy, made, tmp_path):
    log = FolderAuditLog(copy / "audit")
    for index, since in ((0, 1), (255, 3), (417, 256), (699, 600)):
        proof = prove_trace(log, made[2], verify, f"{index + 1:032x}", since=since)
        assert [each.index for each in proof.leaves] == [index]
        document = json.loads(json.dumps(proof.document()))
        (tmp_path / "proof.json").write_text(json.dumps(document))
        assert independent("proof", tmp_path / "proof.json", key=made[2]) == "sound\n"
        for spoil in (
            lambda each: each["leaves"][0].update(leaf=each["leaves"][0]["leaf"].replace("created", "revoked")),
            lambda each: each["leaves"][0].update(index=each["leaves"][0]["index"] ^ 1),
            lambda each: each["leaves"][0]["proof"].pop(),
            lambda each: each["consistency"].update(root=base64.b64encode(bytes(32)).decode()),
            lambda each: each.update(checkpoint=each["checkpoint"].replace("\n700\n", "\n701\n")),
        ):
            spoiled = json.loads(json.dumps(document))
            spoil(spoiled)
            (tmp_path / "proof.json").write_text(json.dumps(spoiled))
            assert "WRONG" in independent("proof", tmp_path / "proof.json", key=made[2])


def test_what_cannot_be_proved_is_told(copy, made):
    log = FolderAuditLog(copy / "audit")
    with pytest.raises(NotFound):
        prove_trace(log, made[2], verify, "f" * 32)
    with pytest.raises(InvalidRequest):
        prove_trace(log, made[2], verify, f"{1:032x}", since=701)
    with pytest.raises(NotFound, match="empty"):
        prove_trace(MemoryAuditLog(), made[2], verify, "f" * 32)
    a_tile_is_cut(copy)
    with pytest.raises(Conflict, match="audit verify"):
        prove_trace(log, made[2], verify, f"{1:032x}")
    the_newest_note_is_edited(copy)
    with pytest.raises(Conflict, match="not to be trusted"):
        prove_trace(log, made[2], verify, f"{1:032x}")


def test_records_that_come_twice_and_gaps_are_problems(made):
    log = MemoryAuditLog()
    log.open()
    leaf = b'{"epoch":1,"kind":"decision","record":{},"sequence":1,"v":1,"worker":"w"}'
    log.append([leaf, leaf, b"{}"], {0: b""}, Standing(size=3, note="", state=b'{"gaps":{"r1":"was not decided"}}'))
    lines = told(verify_log(log, made[2], verify))
    assert "leaf 1 (leaves/000000.ndjson, line 2): record 1 of w, epoch 1, comes after record 1" in lines
    assert "leaf 2 (leaves/000000.ndjson, line 3): it cannot be understood" in lines
    assert "gap at r1: was not decided" in lines


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path):
    first = SigningKey.ensure(tmp_path / "folder" / "key")
    assert (tmp_path / "folder" / "key").stat().st_mode & 0o777 == 0o600
    assert SigningKey.ensure(tmp_path / "folder" / "key").public == first.public
    (tmp_path / "folder" / "key").write_text("not a key")
    with pytest.raises(Conflict):
        SigningKey.ensure(tmp_path / "folder" / "key")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        SigningKey.ensure(tmp_path / "file" / "key")


def test_the_independent_verifier_is_short_and_imports_nothing_of_ours():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 150
    assert "import ninefold" not in text
    assert "from ninefold" not in text
