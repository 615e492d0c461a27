"""The reference page says what the types say."""

from __future__ import annotations

import re
from pathlib import Path

from ninefold.app.config import load_config
from ninefold.app.config_explain import explain
from ninefold.app.config_reference import render

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "config.md"


def test_the_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m ninefold.app.config_reference docs/reference/config.md"


def test_every_key_that_explain_shows_is_described(tmp_path: Path, example: str):
    described: set[str] = set()
    path = ""
    for line in render().splitlines():
        if heading := re.fullmatch(r"## `(.*)`", line):
            path = f"{heading[1]}."
        elif row := re.match(r"\| `(\w+)` \| .* \| (.*) \|$", line):
            assert row[2].strip(), line
            described.add(path + row[1])
    file = tmp_path / "ninefold.yaml"
    file.write_text(example, encoding="utf-8")
    shown = {re.sub(r"\[\d+\]", "[]", each) for each, _, _ in explain(load_config(file, {}))}
    # The last step of a list of plain values, and of a reference to a secret, has no row of its own.
    assert {each.removesuffix("[]") for each in shown} <= described
