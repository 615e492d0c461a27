"""Rules answer from tables, databases and texts, and say nothing where they know nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ninefold.adapters.rule_tables.sqlite import SqliteFacts
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.rule_book import BookOnDisk, load_rule_book
from ninefold.domain.errors import Unavailable
from ninefold.knowledge.rules import MAX_TEXT_CHARS, RuleAnswer, answer

BOOK = r"""
tables: {vat: vat.csv}
databases: {shop: shop.db}
texts: {faq: "faq/*.md"}
rules:
  - name: vat
    match: ['vat.* (?:in|for) (?P<country>\w+)']
    query: SELECT rate FROM vat WHERE country = :country COLLATE NOCASE
    answer: "VAT in {country} is {rate}%."
  - name: order
    match: ['order (?P<id>\d+)']
    query: SELECT status, eta FROM shop.orders WHERE id = :id
    answer: "Order {id} is {status}, expected on {eta}."
    otherwise: "There is no order {id}."
  - name: hours
    match: [opening hours, when .*open]
    answer: We are open from 9 to 17.
  - {name: faq, match: ['\?\s*$'], search: faq}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "book.yaml").write_text(BOOK)
    (tmp_path / "vat.csv").write_text("country,rate\nGermany,19\nFrance,20\n")
    (tmp_path / "faq").mkdir()
    (tmp_path / "faq" / "returns.md").write_text("Goods can be returned within 30 days of delivery.\n\nThe carrier is DHL.\n")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id TEXT, status TEXT, eta TEXT)")
        shop.execute("INSERT INTO orders VALUES ('17', 'shipped', '2026-12-01')")
    shop.close()
    return tmp_path


def ask(folder: Path, text: str) -> RuleAnswer | None:
    rules, origins = load_rule_book(folder / "book.yaml")
    facts = SqliteFacts(origins)
    try:
        return answer(rules, facts, text)
    finally:
        facts.close()


def said(folder: Path, text: str) -> tuple[str, str] | None:
    found = ask(folder, text)
    return None if found is None else (found.rule, found.text)


def test_a_table_answers(folder: Path):
    assert said(folder, "What is the VAT rate in germany, please?") == ("vat", "VAT in germany is 19%.")


def test_a_database_answers_and_says_so_where_it_has_nothing(folder: Path):
    assert said(folder, "Where is order 17") == ("order", "Order 17 is shipped, expected on 2026-12-01.")
    assert said(folder, "Where is order 18") == ("order", "There is no order 18.")


def test_a_rule_that_finds_nothing_leaves_the_question_to_the_next(folder: Path):
    assert said(folder, "VAT in Spain") is None


def test_a_search_quotes_its_source(folder: Path):
    found = ask(folder, "Within how many days can goods be returned?")
    assert found is not None
    assert [(each.source, each.text) for each in found.citations] == [("returns.md", "Goods can be returned within 30 days of delivery.")]


def test_a_value_is_never_part_of_the_query(folder: Path):
    (folder / "book.yaml").write_text(
        "tables: {vat: vat.csv}\n"
        "rules:\n  - {name: r, match: ['^(?P<c>.*)$'], query: SELECT rate FROM vat WHERE country = :c, answer: '{rate}'}\n"
    )
    assert said(folder, "x' OR '1'='1") is None
    assert said(folder, "France") == ("r", "20")


@pytest.mark.parametrize("query", ["DELETE FROM vat", "CREATE TABLE x (y)", "DELETE FROM shop.orders"])
def test_nothing_can_be_written(folder: Path, query: str):
    (folder / "book.yaml").write_text(
        f"tables: {{vat: vat.csv}}\ndatabases: {{shop: shop.db}}\nrules:\n  - {{name: r, match: [go], query: {query}, answer: done}}\n"
    )
    with pytest.raises(Unavailable):
        ask(folder, "go")


def test_a_query_without_end_is_ended(folder: Path):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) AS x FROM n"
    (folder / "book.yaml").write_text(f"rules:\n  - {{name: r, match: [go], query: '{endless}', answer: '{{x}}'}}\n")
    with pytest.raises(Unavailable, match="interrupted"):
        ask(folder, "go")


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("{name: r, match: ['('], answer: a}", "regular expression"),
        ("{name: r, match: ['(a+)+$'], answer: a}", r"repeats something that is itself repeated"),
        ("{name: r, match: [a], answer: '{who}'}", "who"),
        ("{name: r, match: [a], search: nowhere}", "nowhere"),
        ("{name: r, match: [a], query: SELECT 1}", "needs one"),
        ("{name: r, match: [a], query: SELECT 1, search: faq, answer: a}", "not both"),
    ],
)
def test_what_cannot_work_is_refused_by_name(tmp_path: Path, rule: str, word: str):
    (tmp_path / "book.yaml").write_text(f"texts: {{faq: '*.md'}}\nrules:\n  - {rule}\n")
    with pytest.raises(ConfigInvalid, match=word):
        load_rule_book(tmp_path / "book.yaml")


def test_patterns_see_the_end_of_a_text_that_is_too_long_for_them(folder: Path):
    (folder / "book.yaml").write_text(
        "rules:\n  - {name: r, match: ['begin'], answer: first}\n  - {name: s, match: ['end'], answer: last}\n"
    )
    assert said(folder, "begin" + "x" * (MAX_TEXT_CHARS - 8) + "end") == ("r", "first")
    assert said(folder, "begin" + "x" * (MAX_TEXT_CHARS - 7) + "end") == ("s", "last")


def test_a_changed_file_is_read_again(folder: Path):
    book = BookOnDisk(folder / "book.yaml")
    first = book.current()
    assert book.current() is first
    (folder / "vat.csv").write_text("country,rate\nGermany,25\n")
    again = book.current()
    found = answer(again.rules, again.facts, "vat in Germany")
    assert found is not None
    assert found.text == "VAT in Germany is 25%."


def test_a_missing_file_is_named(folder: Path):
    (folder / "vat.csv").unlink()
    with pytest.raises(Unavailable, match=r"vat\.csv"):
        BookOnDisk(folder / "book.yaml").current()
