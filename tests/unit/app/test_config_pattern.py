"""Regular expressions of an operator: those whose search could take for ever are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from ninefold.app.config import load_config
from ninefold.app.config_pattern import Pattern
from ninefold.app.config_problem import ConfigInvalid

ADAPTER = TypeAdapter(Pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a*)*b", r"(a*?)*$", r"(?:a+|b)+c", r"(\w+\s?)*$", r"(.*a){20}", r"((a+)b?)+c", r"(?i:a+)*$", r"((?:x{2,})+)+y",
        r"([a-z]+[0-9a]*)+!", r"(\d+,?)+x", r"(?P<n>[^,]+)*;", r"(?:(?:ab)+)+c", r"(a+(?=a))+$", r"(A+a?)+$", r"(x+x+)+y", r"(\W+\S?){11}k",
        r"(?>(a+)+b)", r"(?!(a+)+b)c", r"(a)(?(1)(b+)+|c)", r"(é+)+!", r"(?:(a+)+){2}",
    ],
)  # fmt: skip
def test_what_could_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="repeats something that is itself repeated"):
        ADAPTER.validate_python(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"vat.*(?P<land>france|germany)", r"\border (?P<number>\d+)", r"(\w+\s)*end", r"(?:x*y)*", r"([a-z]+[0-9]+)+", r"(?:\d{1,3}\.)+",
        r"(a|b)*c", r"(?:a+b|c+d)*", r"(\d+\.){3}", r"(?>a+)+b", r"(?:a++)+b", r"^(?P<c>.*)$", r"(?:[^,]+,)*", r"(a+){2}", r"\s*\w+\s*",
        r"(?:(?:a+b)+c)+", r"(?i)(refund|money back)", r"(?:\w+(?:-)\d)+", r"[\w.]+@[\w.]+",
    ],
)  # fmt: skip
def test_what_is_parted_or_bounded_is_accepted(pattern: str) -> None:
    assert ADAPTER.validate_python(pattern) == pattern


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        ADAPTER.validate_python("(")
    with pytest.raises(ValidationError):
        ADAPTER.validate_python("(" * 500 + ")" * 500)


def test_a_pattern_that_could_take_for_ever_is_refused_with_its_line(tmp_path: Path):
    text = """
task_classes:
  - name: faq
    patterns:
      - refund
      - (a+)+$
    promotion: {to: plan, on: [high_risk], high_risk: ['(\\w+\\s?)*$']}
  - name: plan
"""
    (tmp_path / "ninefold.yaml").write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        load_config(tmp_path / "ninefold.yaml", {})
    assert {each.path: each.line for each in caught.value.problems} == {
        "task_classes[0].patterns[1]": 6,
        "task_classes[0].promotion.high_risk[0]": 7,
    }
