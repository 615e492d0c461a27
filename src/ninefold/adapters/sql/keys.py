"""API keys made at run time, in the database."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ninefold.adapters.sql.acts import append_act
from ninefold.adapters.sql.deltas import append_delta
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.schema import api_keys
from ninefold.domain.errors import Conflict, NotFound
from ninefold.domain.snapshot import Key
from ninefold.ports.delta_log import DeltaKind
from ninefold.ports.key_store import HeldKey


class SqlKeyStore:
    """A `KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, key: Key, at: float) -> None:
        row = {
            "key_id": key.key_id,
            "name": key.name,
            "tenant": key.tenant,
            "digest": key.digest,
            "attribution": json.dumps(key.attribution),
            "created_at": at,
            "expires_at": key.expires_at,
        }
        try:
            await self._database.run(lambda connection: _create(connection, row, key, at))
        except Conflict as error:
            raise Conflict("a key with this id or this secret exists already: make a new one") from error

    async def revoke(self, key_id: str, at: float) -> HeldKey:
        return await self._database.run(lambda connection: _revoke(connection, key_id, at))

    async def list(self, tenant: str | None) -> tuple[HeldKey, ...]:
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        return await self._database.run(lambda connection: tuple(map(_held, connection.execute(query))), reading=True)


def _create(connection: Connection, row: dict[str, Any], key: Key, at: float) -> None:
    connection.execute(insert(api_keys).values(row))
    detail = {"name": key.name, "tenant": key.tenant, "expires_at": key.expires_at, "attribution": dict(key.attribution)}
    append_act(connection, "key.created", key.key_id, detail, at)


def _revoke(connection: Connection, key_id: str, at: float) -> HeldKey:
    mine = api_keys.c.key_id == key_id
    revoked = connection.execute(update(api_keys).where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=at))
    row = connection.execute(select(api_keys).where(mine)).one_or_none()
    if row is None:
        raise NotFound(f"there is no key {key_id!r} here; keys that the configuration file declares are revoked there")
    if revoked.rowcount:
        append_delta(connection, DeltaKind.KEY_REVOKED, key_id, "{}", at)
        append_act(connection, "key.revoked", key_id, {"name": row.name, "tenant": row.tenant}, at)
    return _held(row)


def _held(row: Row[Any]) -> HeldKey:
    key = Key(
        key_id=row.key_id,
        name=row.name,
        tenant=row.tenant,
        digest=row.digest,
        expires_at=row.expires_at,
        attribution=tuple((name, value) for name, value in json.loads(row.attribution)),
    )
    return HeldKey(key=key, created_at=row.created_at, revoked_at=row.revoked_at)
