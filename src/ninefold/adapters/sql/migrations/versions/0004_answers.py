"""Answers by idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was asked twice under one key can be answered once."""
    op.create_table(
        "idempotent_answers",
        sa.Column("scope", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("token", sa.String(200), nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("until", sa.Double, nullable=False, index=True),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("deployment", sa.String(400), nullable=False),
        sa.Column("body", sa.LargeBinary),
    )
