"""Administrative acts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What administrators do is on record, from now on."""
    op.create_table(
        "admin_acts",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    head = op.create_table(
        "admin_act_head",
        sa.Column("only", sa.SmallInteger, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"only": 1, "seq": 0}])
