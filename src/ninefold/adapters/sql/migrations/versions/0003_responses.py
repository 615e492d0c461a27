"""Answers of the Responses API."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Conversations can be continued."""
    op.create_table(
        "responses",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("response_id", sa.String(200), primary_key=True),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("items", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
