import hashlib

import pytest

from ninefold.audit.checkpoint import Checkpoint, LogKey, open_note, parse_key, sign_note, split_notes
from ninefold.domain.errors import InvalidRequest

KEY = LogKey(name="ninefold/test", public=bytes(range(32)))
CHECKPOINT = Checkpoint(origin="ninefold/test", size=12, root=bytes(32))


def sign(message):
    return hashlib.sha512(KEY.public + message).digest()


def verify(public, message, signature):
    return hashlib.sha512(public + message).digest() == signature


def test_a_note_is_what_the_specification_draws():
    note = sign_note(CHECKPOINT, KEY, sign)
    lines = note.split("\n")
    assert lines[:4] == ["ninefold/test", "12", "A" * 43 + "=", ""]
    assert lines[4].startswith("\N{EM DASH} ninefold/test ")
    assert lines[5:] == [""]
    assert open_note(note, KEY, verify) == CHECKPOINT


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("12", "13", "no signature"),
        ("ninefold/test\n12", "ninefold/other\n12", "no signature"),
        ("AAAA\n", "AAAA", "no signature"),
        ("\n\n", "\n", "not a signed note"),
        (" ninefold/test ", " ninefold/other ", "no signature"),
    ],
)
def test_what_is_not_signed_is_not_believed(before, after, why):
    note = sign_note(CHECKPOINT, KEY, sign)
    with pytest.raises(InvalidRequest, match=why):
        open_note(note.replace(before, after, 1) if after != "AAAA" else note.replace("A\n", "B\n", 1).replace("=\n", "\n", 1), KEY, verify)


def test_signed_nonsense_is_nonsense():
    for checkpoint, why in (
        (Checkpoint(origin="ninefold/test", size=-1, root=bytes(32)), "no size"),
        (Checkpoint(origin="ninefold/test", size=1, root=b"short"), "no hash"),
        (Checkpoint(origin="another", size=1, root=bytes(32)), "another log"),
    ):
        with pytest.raises(InvalidRequest, match=why):
            open_note(sign_note(checkpoint, KEY, sign), KEY, verify)


def test_a_key_is_read_back_and_a_wrong_one_refused():
    assert parse_key(KEY.text() + "\n") == KEY
    name, shown, encoded = KEY.text().split("+", 2)
    for text in ("", name, f"{name}+00000000+{encoded}", f"{name}+{shown}+{encoded[:-4]}", f"+{shown}+{encoded}", f"{name}+{shown}+%%"):
        with pytest.raises(InvalidRequest):
            parse_key(text)


def test_notes_behind_each_other_come_apart_and_a_torn_one_comes_last():
    notes = [sign_note(Checkpoint(origin="ninefold/test", size=size, root=bytes(32)), KEY, sign) for size in (1, 2, 3)]
    assert list(split_notes("".join(notes))) == notes
    assert list(split_notes("".join(notes)[:-9])) == [notes[0], notes[1], notes[2][:-9]]
    assert list(split_notes("")) == []
