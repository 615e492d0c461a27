"""Administrative acts, in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.schema import admin_act_head, admin_acts
from ninefold.ports.act_log import Act


class SqlActLog:
    """Implements `ninefold.ports.act_log.ActLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, seq: int, limit: int) -> tuple[Act, ...]:
        query = select(admin_acts).where(admin_acts.c.seq > seq).order_by(admin_acts.c.seq).limit(limit)
        rows = await self._database.run(lambda connection: connection.execute(query).all(), reading=True)
        return tuple(Act(seq=row.seq, at=row.at, kind=row.kind, subject=row.subject, detail=row.detail) for row in rows)


def append_act(connection: Connection, kind: str, subject: str, detail: Mapping[str, object], at: float) -> None:
    """The act is on record if the transaction commits, under a number whose row lock orders it as `append_delta` does."""
    head = update(admin_act_head).values(seq=admin_act_head.c.seq + 1).returning(admin_act_head.c.seq)
    seq = connection.execute(head).scalar_one()
    connection.execute(insert(admin_acts).values(seq=seq, at=at, kind=kind, subject=subject, detail=json.dumps(detail, sort_keys=True)))
