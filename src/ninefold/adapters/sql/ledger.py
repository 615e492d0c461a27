"""The ledger in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, CursorResult, RowMapping, Table, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.money_schema import answers, cursors, decisions, lines, refusals
from ninefold.domain.errors import Conflict
from ninefold.ports.ledger import AnswerRow, Booking, Cursor, DecisionRow, LedgerLine, RefusalRow, Total, TraceRecord

T = TypeVar("T")
# Rows of one INSERT, attempts of one SELECT.
_BATCH = 500
_reasons = msgspec.json.Decoder(tuple[tuple[str, str, str, str], ...])


class SqlLedger:
    """Implements `ninefold.ports.ledger.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursors(self) -> tuple[Cursor, ...]:
        def look(connection: Connection) -> tuple[Cursor, ...]:
            return _rows(Cursor, connection.execute(select(cursors).order_by(cursors.c.worker, cursors.c.epoch)))

        return await self._database.run(look, reading=True)

    async def book(self, booking: Booking, cursor: Cursor) -> Cursor:
        def work(connection: Connection) -> Cursor:
            moved = _move(connection, cursor)
            _add(connection, lines, booking.lines)
            _add(connection, decisions, booking.decisions)
            _add(connection, answers, booking.answers)
            _add(connection, refusals, booking.refusals)
            return moved

        return await self._database.run(work)

    async def lines(self, attempt_ids: Sequence[str]) -> tuple[LedgerLine, ...]:
        def look(connection: Connection) -> tuple[LedgerLine, ...]:
            found: list[LedgerLine] = []
            for start in range(0, len(attempt_ids), _BATCH):
                names = lines.c.attempt_id.in_(attempt_ids[start : start + _BATCH])
                found += _rows(LedgerLine, connection.execute(select(lines).where(names)))
            return tuple(sorted(found, key=attrgetter("attempt_id", "kind")))

        return await self._database.run(look, reading=True)

    async def trace(self, trace_id: str) -> TraceRecord:
        def look(connection: Connection) -> TraceRecord:
            def of(table: Table, order: str) -> CursorResult[Any]:
                return connection.execute(select(table).where(table.c.trace_id == trace_id).order_by(table.c[order], *table.primary_key))

            return TraceRecord(
                lines=_rows(LedgerLine, of(lines, "started_at")),
                decisions=tuple(_decision(row) for row in of(decisions, "at").mappings()),
                answers=_rows(AnswerRow, of(answers, "at")),
                refusals=_rows(RefusalRow, of(refusals, "at")),
            )

        return await self._database.run(look, reading=True)

    async def total(self, tenant: str, start: float, end: float) -> Total:
        def look(connection: Connection) -> Total:
            def sum_of(column: Any, name: str) -> Any:
                return func.coalesce(func.sum(column), 0).label(name)

            query = select(
                func.count().label("lines"),
                sum_of(lines.c.cost_nanos, "cost_nanos"),
                sum_of(lines.c.input_tokens, "input_tokens"),
                sum_of(lines.c.output_tokens, "output_tokens"),
                func.count().filter(lines.c.unpriced).label("unpriced"),
            )
            row = connection.execute(query.where(_within(tenant, start, end))).mappings().one()
            return Total(**{name: int(value) for name, value in row.items()})

        return await self._database.run(look, reading=True)

    async def statement(
        self, tenant: str, start: float, end: float, *, after: tuple[float, str, str] | None = None, limit: int = 100
    ) -> tuple[LedgerLine, ...]:
        def look(connection: Connection) -> tuple[LedgerLine, ...]:
            at, attempt, kind = lines.c.admitted_at, lines.c.attempt_id, lines.c.kind
            query = select(lines).where(_within(tenant, start, end)).order_by(at, attempt, kind).limit(limit)
            if after is not None:
                later = or_(at > after[0], and_(at == after[0], or_(attempt > after[1], and_(attempt == after[1], kind > after[2]))))
                query = query.where(later)
            return _rows(LedgerLine, connection.execute(query))

        return await self._database.run(look, reading=True)


def _within(tenant: str, start: float, end: float) -> Any:
    return and_(lines.c.tenant == tenant, lines.c.admitted_at >= start, lines.c.admitted_at < end)


def _insert(connection: Connection, table: Table) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _move(connection: Connection, cursor: Cursor) -> Cursor:
    """The cursor stands where it says, with its next revision. Raises: Conflict."""
    moved = replace(cursor, revision=cursor.revision + 1)
    values = {name: getattr(moved, name) for name in ("segment", "offset", "state", "closed", "revision")}
    if cursor.revision == 0:
        key = {"worker": cursor.worker, "epoch": cursor.epoch}
        statement = _insert(connection, cursors).values(**key, **values).on_conflict_do_nothing()
    else:
        same = and_(cursors.c.worker == cursor.worker, cursors.c.epoch == cursor.epoch, cursors.c.revision == cursor.revision)
        statement = update(cursors).where(same).values(**values)
    if connection.execute(statement.returning(cursors.c.worker)).one_or_none() is None:
        raise Conflict(f"the journal of worker {cursor.worker!r} is projected by somebody else")
    return moved


def _add(connection: Connection, table: Table, rows: Sequence[object]) -> None:
    """The rows stand in the table; those that stood there already are left as they are."""
    statement = _insert(connection, table).on_conflict_do_nothing()
    for start in range(0, len(rows), _BATCH):
        connection.execute(statement, [_values(row) for row in rows[start : start + _BATCH]])


def _values(row: Any) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    if isinstance(row, DecisionRow):
        values["reasons"] = msgspec.json.encode(row.reasons).decode()
    return values


def _rows(kind: type[T], result: CursorResult[Any]) -> tuple[T, ...]:
    return tuple(kind(**row) for row in result.mappings())


def _decision(row: RowMapping) -> DecisionRow:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    values["reasons"] = _reasons.decode(values["reasons"])
    return DecisionRow(**values)
