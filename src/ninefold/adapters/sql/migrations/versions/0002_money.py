"""Accounts, leases, the ledger and the cursors of its projection."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Workers can lease, and journals be projected."""
    _money_workers()
    _money_accounts()
    _money_leases()
    _ledger_lines()
    _ledger_decisions()
    _ledger_answers()
    _ledger_refusals()
    _journal_cursors()


def _money_workers() -> None:
    op.create_table(
        "money_workers",
        sa.Column("worker", sa.String(200), primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )


def _money_accounts() -> None:
    op.create_table(
        "money_accounts",
        sa.Column("account_id", sa.String(400), primary_key=True),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("source_id", sa.String(200), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("capacity", sa.BigInteger, nullable=False),
        sa.Column("period_s", sa.Integer, nullable=False),
        sa.Column("window", sa.String(16), nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("outstanding", sa.BigInteger, nullable=False),
        sa.Column("overrun", sa.BigInteger, nullable=False),
        sa.Column("recall_seq", sa.BigInteger, nullable=False),
        sa.Column("tight_until", sa.Double, nullable=False),
        sa.Column("refilled_us", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )


def _money_leases() -> None:
    op.create_table(
        "money_leases",
        sa.Column("account_id", sa.String(400), primary_key=True),
        sa.Column("worker", sa.String(200), primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("returned", sa.BigInteger, nullable=False),
        sa.Column("overrun", sa.BigInteger, nullable=False),
        sa.Column("recall_seen", sa.BigInteger, nullable=False),
    )


def _ledger_lines() -> None:
    op.create_table(
        "ledger_lines",
        sa.Column("attempt_id", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("request_id", sa.String(100), nullable=False),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("decision_id", sa.String(100), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("key_id", sa.String(100), nullable=False),
        sa.Column("model", sa.String(400), nullable=False),
        sa.Column("deployment", sa.String(400), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("product", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sa.Column("overrun_nanos", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("price_version", sa.String(400), nullable=False),
        sa.Column("unpriced", sa.Boolean, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("admitted_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=False),
    )


def _ledger_decisions() -> None:
    op.create_table(
        "ledger_decisions",
        sa.Column("decision_id", sa.String(100), primary_key=True),
        sa.Column("request_id", sa.String(100), nullable=False),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("key_id", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("surface", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("policy_version", sa.String(200), nullable=False),
    )


def _ledger_answers() -> None:
    op.create_table(
        "ledger_answers",
        sa.Column("request_id", sa.String(100), primary_key=True),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("key_id", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("surface", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("deployment", sa.String(400), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("tool_calls", sa.Text, nullable=False),
        sa.Column("first_token_ms", sa.Double, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
    )


def _ledger_refusals() -> None:
    op.create_table(
        "ledger_refusals",
        sa.Column("request_id", sa.String(100), primary_key=True),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("key_id", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("surface", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def _journal_cursors() -> None:
    op.create_table(
        "journal_cursors",
        sa.Column("worker", sa.String(200), primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_money_accounts_tenant", "money_accounts", ["tenant"])
    op.create_index("ix_money_leases_holder", "money_leases", ["worker", "epoch"])
    op.create_index("ix_ledger_lines_trace_id", "ledger_lines", ["trace_id"])
    op.create_index("ix_ledger_lines_statement", "ledger_lines", ["tenant", "admitted_at", "attempt_id", "kind"])
    op.create_index("ix_ledger_decisions_trace_id", "ledger_decisions", ["trace_id"])
    op.create_index("ix_ledger_answers_trace_id", "ledger_answers", ["trace_id"])
    op.create_index("ix_ledger_refusals_trace_id", "ledger_refusals", ["trace_id"])
