"""The tables of money as the queries see them; the migrations make them, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

# One row for each epoch of each worker. `expires_at` is moved by its contacts, at most every third of the time to live.
workers = Table(
    "money_workers",
    metadata,
    Column("worker", String(200), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("expires_at", Double, nullable=False),
)

# spent + outstanding ≤ capacity + overrun. `revision` grows with each change.
accounts = Table(
    "money_accounts",
    metadata,
    Column("account_id", String(400), primary_key=True),
    Column("tenant", String(200), nullable=False, index=True),
    Column("source_id", String(200), nullable=False),
    Column("measure", String(16), nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("period_s", Integer, nullable=False),
    Column("window", String(16), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("spent", BigInteger, nullable=False),
    Column("outstanding", BigInteger, nullable=False),
    Column("overrun", BigInteger, nullable=False),
    Column("recall_seq", BigInteger, nullable=False),
    Column("tight_until", Double, nullable=False),
    Column("refilled_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# Totals since the epoch began.
leases = Table(
    "money_leases",
    metadata,
    Column("account_id", String(400), primary_key=True),
    Column("worker", String(200), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("granted", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("overrun", BigInteger, nullable=False),
    Column("recall_seen", BigInteger, nullable=False),
    Index("ix_money_leases_holder", "worker", "epoch"),
)

lines = Table(
    "ledger_lines",
    metadata,
    Column("attempt_id", String(100), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("request_id", String(100), nullable=False),
    Column("trace_id", String(64), nullable=False, index=True),
    Column("decision_id", String(100), nullable=False),
    Column("tenant", String(200), nullable=False),
    Column("key_id", String(100), nullable=False),
    Column("model", String(400), nullable=False),
    Column("deployment", String(400), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("product", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("overrun_nanos", BigInteger, nullable=False),
    Column("currency", String(8), nullable=False),
    Column("price_version", String(400), nullable=False),
    Column("unpriced", Boolean, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("admitted_at", Double, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Index("ix_ledger_lines_statement", "tenant", "admitted_at", "attempt_id", "kind"),
)

# `reasons` is a JSON array of (rule, verdict, detail, code).
decisions = Table(
    "ledger_decisions",
    metadata,
    Column("decision_id", String(100), primary_key=True),
    Column("request_id", String(100), nullable=False),
    Column("trace_id", String(64), nullable=False, index=True),
    Column("tenant", String(200), nullable=False),
    Column("key_id", String(100), nullable=False),
    Column("model", Text, nullable=False),
    Column("surface", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reasons", Text, nullable=False),
    Column("policy_version", String(200), nullable=False),
)

answers = Table(
    "ledger_answers",
    metadata,
    Column("request_id", String(100), primary_key=True),
    Column("trace_id", String(64), nullable=False, index=True),
    Column("tenant", String(200), nullable=False),
    Column("key_id", String(100), nullable=False),
    Column("model", Text, nullable=False),
    Column("surface", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("deployment", String(400), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", String(64), nullable=False),
    Column("route", Text, nullable=False),
    Column("tool_calls", Text, nullable=False),
    Column("first_token_ms", Double, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
)

refusals = Table(
    "ledger_refusals",
    metadata,
    Column("request_id", String(100), primary_key=True),
    Column("trace_id", String(64), nullable=False, index=True),
    Column("tenant", String(200), nullable=False),
    Column("key_id", String(100), nullable=False),
    Column("model", Text, nullable=False),
    Column("surface", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("code", String(64), nullable=False),
    Column("detail", Text, nullable=False),
)

cursors = Table(
    "journal_cursors",
    metadata,
    Column("worker", String(200), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
