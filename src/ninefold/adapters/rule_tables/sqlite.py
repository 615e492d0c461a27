"""The facts of a rule book: CSV files and SQLite databases under one read-only SQL, and folders of plain text."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ninefold.domain.errors import Unavailable
from ninefold.ports.rule_facts import MAX_ROWS

_STEPS_A_CHECK = 10_000
_MAX_CHECKS = 2_000  # twenty million steps of SQLite's machine: about a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """`tables` are CSV files with a header line, by the table's name; `databases` SQLite files, by the schema's; `texts` the files of
    each collection."""

    tables: Mapping[str, Path]
    databases: Mapping[str, Path]
    texts: Mapping[str, tuple[Path, ...]]


class SqliteFacts:
    """`RuleFacts` of one rule book; not for two threads at once."""

    def __init__(self, origins: Origins) -> None:
        """Raises: Unavailable where a file cannot be read."""
        self._origins = origins
        # Opened in memory: whatever a query says, there is nothing of ours that it could write to.
        self._connection = sqlite3.connect("file::memory:", uri=True, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for name, path in origins.tables.items():
            self._load(name, path)
        for name, path in origins.databases.items():
            self._attach(name, path)
        self._connection.commit()
        self._connection.execute("PRAGMA query_only = ON")
        self._checks = 0
        self._connection.set_progress_handler(self._too_long, _STEPS_A_CHECK)

    def rows(self, query: str, values: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        """See the port; a query that runs for too long is ended."""
        self._checks = 0
        try:
            found = self._connection.execute(query, dict(values)).fetchmany(MAX_ROWS)
        except sqlite3.Error as error:
            raise Unavailable(f"A query of the rule book fails: {error}.") from error
        return [{key: "" if row[key] is None else str(row[key]) for key in row.keys()} for row in found]  # noqa: SIM118 - sqlite3.Row iterates over values

    def texts(self, collection: str) -> Sequence[tuple[str, str]]:
        """See the port."""
        try:
            return [(path.name, path.read_text(encoding="utf-8")) for path in self._origins.texts[collection]]
        except (OSError, UnicodeDecodeError, KeyError) as error:
            raise Unavailable(f"The rule book's texts {collection!r} cannot be read: {error}.") from error

    def close(self) -> None:
        """Nothing is open any more."""
        self._connection.close()

    def _too_long(self) -> int:
        self._checks += 1
        return int(self._checks > _MAX_CHECKS)

    def _load(self, table: str, path: Path) -> None:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                lines = csv.reader(file)
                header = next(lines, [])
                if not header or len(set(header)) != len(header):
                    raise Unavailable(f"{path.name}: the first line must name the columns, each once.")
                columns = ", ".join(_quoted(name) for name in header)
                self._connection.execute(f"CREATE TABLE {_quoted(table)} ({columns})")
                marks = ", ".join("?" * len(header))
                insert = f"INSERT INTO {_quoted(table)} VALUES ({marks})"  # noqa: S608 - names quoted, values bound
                self._connection.executemany(insert, (line for line in lines if line))
        except (OSError, UnicodeDecodeError, csv.Error, sqlite3.Error) as error:
            raise Unavailable(f"The rule book's table {table!r} cannot be read from {path.name}: {error}.") from error

    def _attach(self, schema: str, path: Path) -> None:
        if not path.is_file():
            raise Unavailable(f"The rule book's database {schema!r} is not there: {path.name}.")
        try:
            self._connection.execute(f"ATTACH DATABASE ? AS {_quoted(schema)}", (f"{path.as_uri()}?mode=ro",))
        except sqlite3.Error as error:
            raise Unavailable(f"The rule book's database {schema!r} cannot be opened: {error}.") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
