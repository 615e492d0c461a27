"""Answers by idempotency key, in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, LargeBinary, MetaData, Row, String, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.money_schema import workers
from ninefold.domain.allowance import WorkerState
from ninefold.ports.answer_store import Claim, KeptAnswer, Standing

metadata = MetaData()

# The migrations make it, and a test compares the two. `body` is NULL while there is no answer, and where it was too large to be kept.
answers = Table(
    "idempotent_answers",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("token", String(200), nullable=False),
    Column("worker", String(200), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("trace_id", String(64), nullable=False),
    Column("until", Double, nullable=False, index=True),
    Column("complete", Boolean, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("content_type", String(200), nullable=False),
    Column("deployment", String(400), nullable=False),
    Column("body", LargeBinary),
)


class SqlAnswerStore:
    """An `AnswerStore`. Whether a worker's life has ended is read where its leases are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, claim: Claim) -> Standing | None:
        insert = postgres_insert if self._database.dialect == "postgresql" else sqlite_insert
        row = _row(claim)
        new = insert(answers).values(row).on_conflict_do_nothing().returning(answers.c.scope)
        mine = answers.c.scope == claim.scope

        def work(connection: Connection) -> Standing | None:
            while connection.execute(new).first() is None:
                found = connection.execute(select(answers).where(mine).with_for_update()).one_or_none()
                if found is None:
                    continue  # freed or swept between the two statements: whoever comes first now has it
                if _stands(connection, found, claim):
                    return _standing(found)
                connection.execute(update(answers).where(mine).values(row))
                break
            return None

        return await self._database.run(work)

    async def keep(self, scope: str, token: str, answer: KeptAnswer, until: float) -> bool:
        mine = answers.c.scope == scope, answers.c.token == token
        kept = (
            update(answers)
            .where(*mine, answers.c.complete.is_(False))
            .values(
                complete=True,
                streamed=answer.streamed,
                content_type=answer.content_type,
                deployment=answer.deployment,
                body=answer.body,
                until=until,
            )
        )

        def work(connection: Connection) -> bool:
            return bool(connection.execute(kept).rowcount) or connection.execute(select(answers.c.scope).where(*mine)).first() is not None

        return await self._database.run(work)

    async def free(self, scope: str, token: str) -> None:
        gone = delete(answers).where(answers.c.scope == scope, answers.c.token == token, answers.c.complete.is_(False))
        await self._database.run(lambda connection: connection.execute(gone))

    async def sweep(self, at: float, limit: int) -> int:
        void = select(answers.c.scope).where(answers.c.until <= at).order_by(answers.c.until).limit(limit).with_for_update(skip_locked=True)

        def work(connection: Connection) -> int:
            scopes = connection.execute(void).scalars().all()
            if scopes:
                connection.execute(delete(answers).where(answers.c.scope.in_(scopes)))
            return len(scopes)

        return await self._database.run(work)


def _row(claim: Claim) -> dict[str, object]:
    return {
        "scope": claim.scope,
        "digest": claim.digest,
        "token": claim.token,
        "worker": claim.holder.worker,
        "epoch": claim.holder.epoch,
        "trace_id": claim.trace_id,
        "until": claim.until,
        "complete": False,
        "streamed": False,
        "content_type": "",
        "deployment": "",
        "body": None,
    }


def _stands(connection: Connection, found: Row[Any], claim: Claim) -> bool:
    if found.until <= claim.at:
        return False
    if found.complete:
        return True
    if (found.worker, found.epoch) == (claim.holder.worker, claim.holder.epoch):
        return False
    alive = select(workers.c.state).where(workers.c.worker == found.worker, workers.c.epoch == found.epoch)
    return connection.execute(alive).scalar_one_or_none() == WorkerState.LIVE


def _standing(found: Row[Any]) -> Standing:
    if not found.complete:
        return Standing(digest=found.digest, trace_id=found.trace_id, answer=None)
    answer = KeptAnswer(body=found.body, streamed=found.streamed, content_type=found.content_type, deployment=found.deployment)
    return Standing(digest=found.digest, trace_id=found.trace_id, answer=answer)
