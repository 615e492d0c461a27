"""The lines of a batch: what is asked, and what is told of it once."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ninefold.wire.openai.batches import lines
from ninefold.wire.openai.batches.lines import Line

URL = "/v1/embeddings"


def asked(name: str, **changes: object) -> bytes:
    return json.dumps({"custom_id": name, "method": "POST", "url": URL, "body": {"model": "m", "input": name}} | changes).encode() + b"\n"


def test_lines_keep_their_bodies_and_empty_ones_are_read_over() -> None:
    found, problems = lines.parse(asked("a") + b"\r\n  \n" + asked("b").rstrip(), URL)
    assert problems == []
    assert [(each.number, each.custom_id, json.loads(each.body)["input"]) for each in found] == [(1, "a", "a"), (4, "b", "b")]


def test_what_is_wrong_is_told_by_line() -> None:
    data = asked("a") + asked("a") + asked("b", url="/v1/x") + asked("c", method="GET") + asked("") + b"{\n" + b"\xff\n"
    _, problems = lines.parse(data, URL)
    assert [(each.line, each.code) for each in problems] == [
        (2, "duplicate_custom_id"),
        (3, "mismatched_url"),
        (4, "invalid_method"),
        (5, "missing_custom_id"),
        (6, "invalid_json_line"),
        (7, "invalid_json_line"),
    ]
    assert [each.code for each in lines.parse(b" \n", URL)[1]] == ["empty_file"]


def test_too_many_lines_are_refused() -> None:
    _, problems = lines.parse(b"".join(asked(str(n)) for n in range(lines.MAX_LINES + 1)), URL)
    assert [each.code for each in problems] == ["too_many_tasks"]


def test_an_answer_is_one_line_however_it_was_written() -> None:
    line = Line(number=7, custom_id="a", body=b"{}")
    told = lines.answered("batch_1", line, 200, "req", b'{\r\n "a": 1.50,\n "b": "x\\ny"\n}')
    assert told.count(b"\n") == 1
    assert json.loads(told) == {
        "id": "batch_req_1_7",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "req", "body": {"a": 1.5, "b": "x\ny"}},
        "error": None,
    }
    assert json.loads(lines.not_asked("batch_1", line, "c", "m"))["error"] == {"code": "c", "message": "m"}


@given(
    names=st.lists(st.sampled_from("abcdef"), max_size=12), cut=st.integers(0, 400), again=st.lists(st.sampled_from("abcdef"), max_size=6)
)
def test_what_was_torn_or_written_twice_is_told_once(names: list[str], cut: int, again: list[str]) -> None:
    def log(these: list[str]) -> bytes:
        return b"".join(lines.not_asked("batch_1", Line(number=1, custom_id=name, body=b""), "c", "m") for name in these)

    first = log(names)[:cut]
    whole = names[: first.count(b"\n")]
    known: set[str] = set()
    found = [json.loads(text)["custom_id"] for text in lines.merged([first, log(again)], known)]
    assert found == list(dict.fromkeys([*whole, *again]))
    assert known == set(found)
