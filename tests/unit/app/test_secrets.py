"""References to secrets: found, or refused by name and never by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.app.secrets import SecretMissing, Secrets
from ninefold.domain.snapshot import SecretRef


def file_ref(path: Path) -> SecretRef:
    return SecretRef(kind="file", where=str(path))


def test_a_variable_is_read():
    assert Secrets({"K": "abc"}).read(SecretRef(kind="env", where="K")) == "abc"


@pytest.mark.parametrize(("written", "read"), [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" a b \n", " a b ")])
def test_a_file_is_read_without_its_final_line_break(tmp_path: Path, written: bytes, read: str):
    (tmp_path / "k").write_bytes(written)
    assert Secrets({}).read(file_ref(tmp_path / "k")) == read


def test_a_rotated_file_counts_at_once(tmp_path: Path):
    secrets = Secrets({})
    (tmp_path / "k").write_text("old", encoding="utf-8")
    assert secrets.read(file_ref(tmp_path / "k")) == "old"
    (tmp_path / "k").write_text("new", encoding="utf-8")
    assert secrets.read(file_ref(tmp_path / "k")) == "new"


@pytest.mark.parametrize("value", [None, "", "hunter2\r\nx-evil: 1", "hunter2\0"])
def test_a_variable_that_is_no_secret_is_refused_by_name(value: str | None):
    with pytest.raises(SecretMissing, match="variable K") as caught:
        Secrets({} if value is None else {"K": value}).read(SecretRef(kind="env", where="K"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"", b"\n", b"hunter2\nmore\n", b"\xff\xfehunter2", b"hunter2" * 20_000])
def test_a_file_that_is_no_secret_is_refused_by_name(tmp_path: Path, data: bytes | None):
    if data is not None:
        (tmp_path / "k").write_bytes(data)
    with pytest.raises(SecretMissing, match="/k ") as caught:
        Secrets({}).read(file_ref(tmp_path / "k"))
    assert "hunter2" not in str(caught.value)


def test_a_reference_of_no_known_kind_is_refused():
    with pytest.raises(SecretMissing, match="vault"):
        Secrets({}).read(SecretRef(kind="vault", where="x"))
