"""Laws of `ninefold.ports.witness.Witness`."""

import pytest

from ninefold.adapters.audit_files.witness import FileWitness
from ninefold.domain.errors import Unavailable


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_was_remembered_is_told_once_in_its_order(tmp_path, is_folder):
    path = tmp_path if is_folder else tmp_path / "notes"
    witness = FileWitness(path, "log.checkpoints")
    assert witness.notes() == ""
    for note in ("a\n", "b\n", "b\n"):
        witness.remember(note)
    assert FileWitness(path, "log.checkpoints").notes() == "a\nb\n"
    assert [each.name for each in tmp_path.iterdir()] == ["log.checkpoints" if is_folder else "notes"]


def test_a_note_that_was_torn_is_written_again(tmp_path):
    (tmp_path / "notes").write_bytes("a\n\N{EM DASH} torn".encode()[:-2])
    FileWitness(tmp_path / "notes", "").remember("b\n")
    assert (tmp_path / "notes").read_text() == "a\nb\n"


def test_a_mount_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(Unavailable, match="is not there"):
        FileWitness(tmp_path / "mount" / "notes", "").remember("a\n")
    assert not (tmp_path / "mount").exists()
