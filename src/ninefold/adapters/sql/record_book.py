"""The ledger's rows for the audit log, in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.money_schema import answers, cursors, decisions, lines, refusals
from ninefold.ports.record_book import Rows

_BATCH = 500
_TABLES = {
    "decision": (decisions, decisions.c.decision_id),
    "answer": (answers, answers.c.request_id),
    "refusal": (refusals, refusals.c.request_id),
}


class SqlRecordBook:
    """Implements `ninefold.ports.record_book.RecordBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, kind: str, ids: Sequence[str]) -> Rows:
        def look(connection: Connection) -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = {}
            for start in range(0, len(ids), _BATCH):
                part = ids[start : start + _BATCH]
                found |= _sums(connection, part) if kind == "settlement" else _rows(connection, kind, part)
            return found

        return await self._database.run(look, reading=True)

    async def counts(self) -> Mapping[str, int]:
        def look(connection: Connection) -> dict[str, int]:
            return {kind: connection.execute(select(func.count()).select_from(table)).scalar_one() for kind, (table, _) in _TABLES.items()}

        return await self._database.run(look, reading=True)

    async def places(self) -> Mapping[tuple[str, int], tuple[int, int]]:
        query = select(cursors.c.worker, cursors.c.epoch, cursors.c.segment, cursors.c.offset)
        rows = await self._database.run(lambda connection: connection.execute(query).all(), reading=True)
        return {(row.worker, row.epoch): (row.segment, row.offset) for row in rows}


def _rows(connection: Connection, kind: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    table, column = _TABLES[kind]
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(table).where(column.in_(ids))).mappings():
        values = {str(name): value for name, value in row.items()}
        if kind == "decision":
            values["reasons"] = json.loads(values["reasons"])
        found[values[column.name]] = values
    return found


def _sums(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    measures = (lines.c.cost_nanos, lines.c.input_tokens, lines.c.output_tokens)
    query = select(lines.c.attempt_id, *(func.sum(column).label(column.name) for column in measures)).where(lines.c.attempt_id.in_(ids))
    rows = connection.execute(query.group_by(lines.c.attempt_id)).mappings()
    return {row["attempt_id"]: {column.name: int(row[column.name]) for column in measures} for row in rows}
