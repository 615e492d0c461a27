"""Reads a rule book: the YAML file that a deployment of provider `rules` names as its model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from ninefold.adapters.rule_tables.sqlite import Origins, SqliteFacts
from ninefold.app.config_check import problems_of
from ninefold.app.config_pattern import Pattern
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.config_source import read_yaml
from ninefold.app.config_types import Name, Section, Text, wrong
from ninefold.domain.errors import Unavailable
from ninefold.http.local_rules import OpenBook
from ninefold.knowledge.rules import Rule, places


class WrittenRule(Section):
    """One kind of question and its answer."""

    name: Name = Field(description="how answers and records call it")
    match: tuple[Pattern, ...] = Field(min_length=1, description="regular expressions over the last user text; named groups are values")
    query: Text | None = Field(default=None, description="SQL with :name places; its rows fill the answer")
    search: Name | None = Field(default=None, description="name of the texts to quote from")
    answer: Text | None = Field(default=None, description="sentence with {name} places, said once a row")
    otherwise: Text | None = Field(default=None, description="sentence where nothing is found; without it the rule does not match then")

    @model_validator(mode="after")
    def _one_way(self) -> WrittenRule:
        if self.query is not None and self.search is not None:
            raise wrong("write query or search, not both")
        if (self.answer is None) != (self.search is not None):
            raise wrong("a rule with search quotes and takes no answer; every other needs one")
        values = {name for pattern in self.match for name in re.compile(pattern).groupindex}
        if self.query is None and self.answer is not None and places(self.answer) - values:
            missing = ", ".join(sorted(places(self.answer) - values))
            raise wrong(f"the answer has places that no group of `match` fills: {missing}")
        return self


class RuleBook(Section):
    """All of it."""

    tables: dict[Name, Text] = Field(default_factory=dict, description="CSV files with a header line, by the table's name")
    databases: dict[Name, Text] = Field(default_factory=dict, description="SQLite files, opened read-only, by the schema's name")
    texts: dict[Name, Text] = Field(default_factory=dict, description="plain text files to search, by pattern such as faq/*.md")
    rules: tuple[WrittenRule, ...] = Field(min_length=1, description="tried in order")

    @model_validator(mode="after")
    def _known_texts(self) -> RuleBook:
        for rule in self.rules:
            if rule.search is not None and rule.search not in self.texts:
                raise wrong(f"rule {rule.name} searches {rule.search!r}, and `texts` has none of that name")
        return self


def load_rule_book(path: Path) -> tuple[tuple[Rule, ...], Origins]:
    """The rules in `path` and where their facts are; paths in it start from its folder. Raises: ConfigInvalid; OSError."""
    document = read_yaml(path.read_bytes(), str(path))
    if document.problems:
        raise ConfigInvalid(document.problems)
    try:
        book = RuleBook.model_validate(document.root)
    except ValidationError as error:
        raise ConfigInvalid(problems_of(error, RuleBook, document)) from None
    folder = path.parent
    rules = tuple(
        Rule(
            name=rule.name,
            patterns=tuple(re.compile(pattern, re.IGNORECASE) for pattern in rule.match),
            answer=rule.answer or "",
            query=rule.query,
            search=rule.search,
            otherwise=rule.otherwise,
        )
        for rule in book.rules
    )
    origins = Origins(
        tables={name: folder / file for name, file in book.tables.items()},
        databases={name: folder / file for name, file in book.databases.items()},
        texts={name: tuple(sorted(folder.glob(pattern))) for name, pattern in book.texts.items()},
    )
    return rules, origins


class BookOnDisk:
    """A rule book that is read again when its file, or one of the files it names, has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[tuple[str, int], ...], OpenBook, SqliteFacts] | None = None

    def current(self) -> OpenBook:
        """The book as it stands. Raises: Unavailable where it, or a file it names, cannot be read."""
        try:
            if self._read is not None and self._read[0] == _stamps([Path(name) for name, _ in self._read[0]]):
                return self._read[1]
            rules, origins = load_rule_book(self._path)
            texts = (file for found in origins.texts.values() for file in found)
            files = [self._path, *origins.tables.values(), *origins.databases.values(), *texts]
            stamps = _stamps(files)
        except (OSError, ConfigInvalid) as error:
            raise Unavailable(f"The rule book {self._path.name} cannot be used: {error}") from error
        facts = SqliteFacts(origins)
        if self._read is not None:
            self._read[2].close()
        self._read = (stamps, OpenBook(rules=rules, facts=facts), facts)
        return self._read[1]


def _stamps(files: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    return tuple((str(file), file.stat().st_mtime_ns) for file in files)
