"""The reference page names every verb, sub-verb and option that the parsers take, and no other verb."""

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninefold.cli.main import VERBS, Parser

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()


def section(verb: str) -> str:
    return re.search(rf"^## `{verb}`$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def parsers(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield from parsers(inner, f"{name} {word}")


def test_the_page_has_a_section_for_every_verb_and_no_other():
    assert re.findall(r"^## `(\w+)`$", PAGE, re.MULTILINE) == [*VERBS]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"demo"}))
def test_every_sub_verb_and_option_is_on_the_page(verb):
    parser = Parser(prog=verb)
    importlib.import_module(f"ninefold.cli.{verb}").add_arguments(parser)
    text = section(verb)
    for name, each in parsers(parser, verb):
        assert name == verb or f"`{name}" in text, name
        options = {option for action in each._actions for option in action.option_strings} - {"-h", "--help", "--json", "--config"}
        assert not {option for option in options if option not in text}
