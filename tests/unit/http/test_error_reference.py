"""The reference of the errors says what the tree and the table say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ninefold.domain.errors import NinefoldError
from ninefold.http import errors
from ninefold.http.error_reference import NEXT, classes, render

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"


def test_the_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m ninefold.http.error_reference docs/reference/errors.md"


def test_every_class_of_the_tree_is_told_and_no_other():
    assert set(NEXT) == set(classes())
    assert {each for each in errors.TABLE if each is not NinefoldError} <= set(classes())


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_the_row_says_what_a_caller_gets(kind):
    (row,) = re.findall(rf"^\| \[{kind.__name__}\].*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    _, status, code, openai_type, _, retryable = (cell.strip() for cell in row.strip("|").split("|"))
    raised = kind("A sentence.")
    assert int(status) == errors.row(raised).status
    assert f'"type":"{openai_type.strip("`")}"'.encode() in errors.openai_body(raised)
    assert f'"code":"{code.strip("`")}"'.encode() in errors.openai_body(raised)
    assert (retryable == "no") is (b"x-should-retry: false" in errors.headers(raised))
