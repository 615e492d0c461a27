"""The books of files and batches, in the database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ninefold.adapters.sql.engine import Database
from ninefold.domain.batch import FINAL, Batch, BatchStatus, StoredFile, with_wish
from ninefold.domain.errors import Conflict, NotFound
from ninefold.ports.batch_store import Claimed, Page

metadata = MetaData()

# The migrations make them, and a test compares the two. Times are seconds since the epoch, UTC.
files = Table(
    "files",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("file_id", String(100), primary_key=True),
    Column("name", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
)

# `body` is the batch as JSON; the columns beside it are what queries ask for. `claimed_until` is 0 where nobody works at it.
batches = Table(
    "batches",
    metadata,
    Column("batch_id", String(100), primary_key=True),
    Column("tenant", String(200), nullable=False, index=True),
    Column("input_file_id", String(100), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("start_after", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("claimed_until", Double, nullable=False),
    Index("ix_batches_waiting", "status", "start_after"),
)

# Named one by one, so that looking for work reads the few rows in the index and not all that ever were.
_OPEN = tuple(status.value for status in BatchStatus if status not in FINAL)
_read = msgspec.json.Decoder(Batch).decode


class SqlBatchStore:
    """A `BatchStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_file(self, file: StoredFile) -> None:
        fresh = postgres_insert if self._database.dialect == "postgresql" else sqlite_insert
        row = fresh(files).values({name: getattr(file, name) for name in files.c.keys()})  # noqa: SIM118 - a collection, no mapping
        await self._database.run(lambda connection: connection.execute(row.on_conflict_do_nothing()))

    async def file(self, tenant: str, file_id: str) -> StoredFile:
        return await self._database.run(lambda connection: _file(connection, tenant, file_id), reading=True)

    async def files(self, tenant: str, purpose: str | None, page: Page) -> tuple[StoredFile, ...]:
        def work(connection: Connection) -> tuple[StoredFile, ...]:
            query = select(files).where(files.c.tenant == tenant)
            if purpose is not None:
                query = query.where(files.c.purpose == purpose)
            after = None
            if page.after is not None:
                after = _file(connection, tenant, page.after).created_at
            return tuple(_stored(row) for row in connection.execute(_paged(query, files.c.created_at, files.c.file_id, page, after)))

        return await self._database.run(work, reading=True)

    async def kept(self, tenant: str) -> tuple[int, int]:
        query = select(func.count(), func.coalesce(func.sum(files.c.size_bytes), 0)).where(files.c.tenant == tenant)
        count, size = await self._database.run(lambda connection: tuple(connection.execute(query).one()), reading=True)
        return int(count), int(size)

    async def remove_file(self, tenant: str, file_id: str) -> StoredFile:
        reading = select(batches.c.batch_id).where(
            batches.c.tenant == tenant, batches.c.input_file_id == file_id, batches.c.status.in_(_OPEN)
        )

        def work(connection: Connection) -> StoredFile:
            found = _file(connection, tenant, file_id)
            if connection.execute(reading.limit(1)).one_or_none() is not None:
                raise Conflict("A batch that is not over reads this file: cancel it first.")
            connection.execute(delete(files).where(files.c.tenant == tenant, files.c.file_id == file_id))
            return found

        return await self._database.run(work)

    async def add_batch(self, batch: Batch) -> None:
        row = _columns(batch) | {"worker": "", "epoch": 0, "claimed_until": 0.0}
        await self._database.run(lambda connection: connection.execute(insert(batches).values(row)))

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        return await self._database.run(lambda connection: _batch(connection, tenant, batch_id), reading=True)

    async def batches(self, tenant: str, page: Page) -> tuple[Batch, ...]:
        def work(connection: Connection) -> tuple[Batch, ...]:
            query = select(batches.c.body).where(batches.c.tenant == tenant)
            after = None
            if page.after is not None:
                after = _batch(connection, tenant, page.after).created_at
            return tuple(
                _read(row.body) for row in connection.execute(_paged(query, batches.c.created_at, batches.c.batch_id, page, after))
            )

        return await self._database.run(work, reading=True)

    async def cancel(self, tenant: str, batch_id: str, at: float) -> Batch:
        def work(connection: Connection) -> Batch:
            found = _batch(connection, tenant, batch_id, locked=True)
            if found.over:
                raise Conflict(f"The batch is {found.status} already.")
            if found.status is BatchStatus.CANCELLING:
                return found
            reached = (*found.reached, (BatchStatus.CANCELLING.value, at))
            wished = replace(found, status=BatchStatus.CANCELLING, reached=reached, start_after=min(at, found.start_after))
            connection.execute(update(batches).where(batches.c.batch_id == batch_id).values(_columns(wished)))
            return wished

        return await self._database.run(work)

    async def claim(self, worker: str, at: float, until: float) -> Claimed | None:
        free = (
            select(batches.c.batch_id, batches.c.body, batches.c.epoch)
            .where(batches.c.status.in_(_OPEN), batches.c.start_after <= at, batches.c.claimed_until <= at)
            .order_by(batches.c.start_after, batches.c.batch_id)
            .limit(1)
        )

        def work(connection: Connection) -> Claimed | None:
            row = connection.execute(free.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            taken = update(batches).where(batches.c.batch_id == row.batch_id)
            connection.execute(taken.values(worker=worker, epoch=row.epoch + 1, claimed_until=until))
            return Claimed(batch=_read(row.body), epoch=row.epoch + 1)

        # Most looks find nothing: those must not take the write lock of SQLite.
        if await self._database.run(lambda connection: connection.execute(free).one_or_none(), reading=True) is None:
            return None
        return await self._database.run(work)

    async def save(self, claimed: Claimed, batch: Batch, until: float) -> Batch:
        def work(connection: Connection) -> Batch:
            mine = batches.c.batch_id == batch.batch_id, batches.c.epoch == claimed.epoch
            row = connection.execute(select(batches.c.body).where(*mine).with_for_update()).one_or_none()
            if row is None:
                raise Conflict("Another process works at this batch.")
            stands = with_wish(_read(row.body), batch)
            connection.execute(update(batches).where(*mine).values(_columns(stands) | {"claimed_until": until}))
            return stands

        return await self._database.run(work)

    async def release(self, claimed: Claimed) -> None:
        mine = batches.c.batch_id == claimed.batch.batch_id, batches.c.epoch == claimed.epoch
        free = update(batches).where(*mine).values(claimed_until=0.0, worker="")
        await self._database.run(lambda connection: connection.execute(free))


def _columns(batch: Batch) -> dict[str, object]:
    return {
        "batch_id": batch.batch_id,
        "tenant": batch.tenant,
        "input_file_id": batch.input_file_id,
        "status": batch.status.value,
        "created_at": batch.created_at,
        "start_after": batch.start_after,
        "body": msgspec.json.encode(batch).decode(),
    }


def _file(connection: Connection, tenant: str, file_id: str) -> StoredFile:
    row = connection.execute(select(files).where(files.c.tenant == tenant, files.c.file_id == file_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no file {file_id[:100]!r}.")
    return _stored(row)


def _stored(row: Any) -> StoredFile:
    return StoredFile(
        tenant=row.tenant,
        file_id=row.file_id,
        name=row.name,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        digest=row.digest,
        created_at=row.created_at,
    )


def _batch(connection: Connection, tenant: str, batch_id: str, *, locked: bool = False) -> Batch:
    query = select(batches.c.body).where(batches.c.tenant == tenant, batches.c.batch_id == batch_id)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch {batch_id[:100]!r}.")
    return _read(row.body)


def _paged(query: Any, at: Any, name: Any, page: Page, after: float | None) -> Any:
    if after is not None:
        place, last = tuple_(at, name), tuple_(after, page.after)
        query = query.where(place > last if page.oldest_first else place < last)
    order = (at, name) if page.oldest_first else (at.desc(), name.desc())
    return query.order_by(*order).limit(page.limit)
