"""Answers of the Responses API, in the database."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Double, LargeBinary, MetaData, String, Table, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ninefold.adapters.sql.engine import Database
from ninefold.domain.errors import NotFound
from ninefold.ports.response_store import StoredResponse

metadata = MetaData()

# The migrations make it, and a test compares the two. `answer` and `items` are JSON; times are seconds since the epoch, UTC.
responses = Table(
    "responses",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("response_id", String(200), primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("items", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

# Expired rows that one put removes. More than one, so that they get fewer; few, so that a put stays short.
_SWEPT = 20


class SqlResponseStore:
    """A `ResponseStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, stored: StoredResponse) -> None:
        insert = postgres_insert if self._database.dialect == "postgresql" else sqlite_insert
        row = insert(responses).values(
            tenant=stored.tenant,
            response_id=stored.response_id,
            answer=stored.answer,
            items=stored.items,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
        )

        def work(connection: Connection) -> None:
            _sweep(connection, stored.created_at)
            connection.execute(row.on_conflict_do_nothing())

        await self._database.run(work)

    async def get(self, tenant: str, response_id: str, at: float) -> StoredResponse:
        query = select(responses).where(*_one(tenant, response_id, at))
        found = await self._database.run(lambda connection: connection.execute(query).one_or_none(), reading=True)
        if found is None:
            raise _unknown(response_id)
        return StoredResponse(
            tenant=found.tenant,
            response_id=found.response_id,
            answer=found.answer,
            items=found.items,
            created_at=found.created_at,
            expires_at=found.expires_at,
        )

    async def delete(self, tenant: str, response_id: str, at: float) -> None:
        query = delete(responses).where(*_one(tenant, response_id, at))
        removed = await self._database.run(lambda connection: connection.execute(query).rowcount)
        if not removed:
            raise _unknown(response_id)


def _one(tenant: str, response_id: str, at: float):  # noqa: ANN202 the clauses have no better name in SQLAlchemy than their classes
    return responses.c.tenant == tenant, responses.c.response_id == response_id, responses.c.expires_at > at


def _sweep(connection: Connection, at: float) -> None:
    """A few expired rows are gone; those that another worker is removing are left to it."""
    key = responses.c.tenant, responses.c.response_id
    old = select(*key).where(responses.c.expires_at <= at).order_by(responses.c.expires_at).limit(_SWEPT)
    found = [tuple(row) for row in connection.execute(old.with_for_update(skip_locked=True))]
    if found:
        connection.execute(delete(responses).where(tuple_(*key).in_(found)))


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"There is no response {response_id[:100]!r}.")
