"""What the documents say is true of the code: links, commands, configurations, snippets, maps."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ninefold.app.config import Config, load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.cli.demo import _COLUMNS
from ninefold.cli.main import VERBS, Parser
from ninefold.cli.output import WrongUse

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "ninefold"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks in one of the languages, without the indentation of their fence."""
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, language, body in FENCE.findall(text) if language in languages]


def spans(text: str) -> list[str]:
    """The inline code outside of fences."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def slugs(path: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path, text: str) -> list[str]:
    broken: list[str] = []
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        if not there.exists() or (anchor and (there.suffix != ".md" or anchor not in slugs(there))):
            broken.append(link)
    return broken


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command in a shell's block or in inline code that calls `make` or `ninefold`."""
    lines = [line for block in blocks(text, "bash", "sh", "console") for line in block.splitlines()]
    for written in [*lines, *spans(text)]:
        for found in re.finditer(r"(?:^|[\s(/])(?=(?:make|ninefold) [a-z\-])", written):
            command = re.split(r"\s#|[|;&)>]", written[found.end() :])[0]
            yield shlex.split(command)


def wrong_command(words: list[str], *, whole: bool) -> str:
    """Why a command cannot work, "" where it can. Where it is not `whole`, its required arguments may be missing."""
    if words[0] == "make":
        return "".join(f"no target {word}" for word in words[1:] if word not in TARGETS)
    verb = words[1]
    if verb.startswith("-"):
        return ""
    if verb not in VERBS:
        return f"no verb {verb}"
    parser = Parser(prog=verb)
    importlib.import_module(f"ninefold.cli.{verb}").add_arguments(parser)
    try:
        parser.parse_args(words[2:])
    except WrongUse as error:
        missing = "required" in str(error)
        return "" if missing and not whole else str(error)
    except argparse.ArgumentError as error:
        return str(error)
    return ""


def wrong_configuration(text: str, folder: Path) -> str:
    """Why a block that looks like a ninefold.yaml is refused, "" where it is not one or is in order."""
    found = yaml.safe_load(text)
    if not isinstance(found, dict) or not set(Config.model_fields) & set(found):
        return ""
    file = folder / "ninefold.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_config(file, {})
    except ConfigInvalid as error:
        return str(error)
    return ""


def defined(path: Path) -> set[str]:
    """The functions of a module, and `Class.method` for those of its classes."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path):
    assert broken_links(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_exists(path):
    text = path.read_text(encoding="utf-8")
    in_blocks = [words for block in blocks(text, "bash", "sh", "console") for words in commands(f"```bash\n{block}```")]
    wrong = [(words, why) for words in commands(text) if (why := wrong_command(words, whole=words in in_blocks))]
    assert wrong == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_configuration_is_accepted(path, tmp_path):
    assert [why for block in blocks(path.read_text(encoding="utf-8"), "yaml") if (why := wrong_configuration(block, tmp_path))] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_snippet_compiles(path):
    for number, block in enumerate(blocks(path.read_text(encoding="utf-8"), "python")):
        assert compile(block, f"{name(path)}:{number}", "exec")


def test_the_checks_see_what_is_wrong(tmp_path):
    page = ROOT / "docs" / "guides" / "page.md"
    assert broken_links(page, "[a](../reference/cli.md#up) [b](nowhere.md) [c](../reference/cli.md#nothing)") == [
        "nowhere.md",
        "../reference/cli.md#nothing",
    ]
    text = "```bash\nninefold fly\nninefold keys create --name x # no tenant\nNAME=$(ninefold up --port 1)\nmake test\n```\n`make dinner`"
    wrong = [words for words in commands(text) if wrong_command(words, whole=True)]
    assert wrong == [["ninefold", "fly"], ["ninefold", "keys", "create", "--name", "x"], ["make", "dinner"]]
    assert not wrong_command(["ninefold", "keys", "create"], whole=False)
    assert wrong_configuration("tenants: [{name: a, modles: []}]", tmp_path)
    assert not wrong_configuration("jobs: [{name: ci}]", tmp_path)
    assert blocks("  ```python\n  x = 1\n  ```\n", "python") == ["x = 1\n"]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_readme_maps_every_room():
    rooms = {folder.name for folder in SOURCE.iterdir() if folder.is_dir() and folder.name != "__pycache__"}
    table = README.partition("## The map of the rooms")[2].partition("## ")[0]
    assert {room for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for room in re.findall(r"`(\w+)`", row)} == rooms


def test_the_walk_of_a_request_names_functions_that_exist():
    table = README.partition("## The walk of a request")[2].partition("## ")[0]
    steps = re.findall(r"^\| \d \| \[`([\w.]+)`\]\(([\w/.]+)\)", table, re.MULTILINE)
    assert len(steps) == 8
    assert [step for step, file in steps if step not in defined(ROOT / file)] == []


def test_the_demo_in_the_readme_is_the_demo():
    block = next(each for each in blocks(README, "text") if each.startswith("request"))
    assert re.split(r" {2,}", block.splitlines()[0].strip()) == list(_COLUMNS)


def test_the_figures_stand_between_their_markers():
    assert re.search(r"<!-- bench:start -->\n\|.+\|\n(?s:.+)\n<!-- bench:end -->", README)


def test_words_in_italics_are_in_the_glossary():
    glossary = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    entries = set(re.findall(r"\*\*([\w -]+)\*\*", glossary))
    prose = FENCE.sub("", ARCHITECTURE)
    words = set(re.findall(r"(?<![*\w])\*([a-z][a-z -]+)\*(?!\*)", prose)) - {"italics", "before"}
    assert words
    assert words - entries == set()


def test_every_header_of_ours_is_described():
    page = (ROOT / "docs" / "reference" / "headers.md").read_text(encoding="utf-8")
    used = {
        found for file in SOURCE.rglob("*.py") for found in re.findall(r"x-ninefold-[a-z]+(?:-[a-z]+)*", file.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= set(re.findall(r"x-ninefold-[a-z-]+", page))


@pytest.mark.parametrize("path", DECISIONS, ids=name)
def test_a_decision_is_one_page_with_what_was_rejected_and_what_would_reverse_it(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.name[:4]}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Decision", "Rejected", "What would reverse it"]
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_and_listed():
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    assert [path.name for path in DECISIONS if f"({path.name})" not in listed] == []
