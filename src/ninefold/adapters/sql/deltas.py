"""The delta log, in the database."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select, update

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.schema import delta_head, deltas
from ninefold.ports.delta_log import Delta

_KEEP_S = 3600.0


class SqlDeltaLog:
    """A `DeltaLog`. `clock` tells seconds since the epoch."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def append(self, kind: str, subject: str, payload: str) -> int:
        at = self._clock()
        return await self._database.run(lambda connection: append_delta(connection, kind, subject, payload, at))

    async def since(self, seq: int, limit: int) -> tuple[Delta, ...]:
        query = select(deltas).where(deltas.c.seq > seq).order_by(deltas.c.seq).limit(limit)
        rows = await self._database.run(lambda connection: connection.execute(query).all(), reading=True)
        return tuple(Delta(seq=row.seq, at=row.at, kind=row.kind, subject=row.subject, payload=row.payload) for row in rows)

    async def head(self) -> int:
        return await self._database.run(lambda connection: connection.execute(select(delta_head.c.seq)).scalar_one(), reading=True)


def append_delta(connection: Connection, kind: str, subject: str, payload: str, at: float) -> int:
    """The number of the new row, which becomes visible with the rest of the transaction.

    A sequence would give out numbers before their transactions commit, so that a reader that saw 2 would never look for the 1 that
    commits later. The counter's row stays locked until the commit: the next number is given out only after this one can be seen.
    """
    seq = connection.execute(update(delta_head).values(seq=delta_head.c.seq + 1).returning(delta_head.c.seq)).scalar_one()
    connection.execute(insert(deltas).values(seq=seq, at=at, kind=kind, subject=subject, payload=payload))
    connection.execute(delete(deltas).where(deltas.c.at < at - _KEEP_S))
    return seq
