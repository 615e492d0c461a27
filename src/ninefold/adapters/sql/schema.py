"""The tables of control as the queries see them; the migrations make them, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, LargeBinary, MetaData, SmallInteger, String, Table, Text

metadata = MetaData()

# Compiled snapshots, newest few; `body` is `wire.snapshot.encode`.
snapshots = Table(
    "snapshots",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(128), nullable=False),
    Column("compiled_at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# One row, `only` = 1: which snapshot is in force; 0 before the first.
snapshot_version = Table(
    "snapshot_version",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

# `attribution` is a JSON array of pairs; times are seconds since the epoch, UTC.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("tenant", String(200), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("attribution", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

deltas = Table(
    "deltas",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("payload", Text, nullable=False),
)

# One row, `only` = 1: the last `seq` given out. Its row lock makes the order of numbers the order of commits.
delta_head = Table(
    "delta_head",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

# What administrators did; `detail` is a JSON object. Rows are never changed and never deleted.
admin_acts = Table(
    "admin_acts",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("detail", Text, nullable=False),
)

# One row, `only` = 1: the last `seq` given out, as in `delta_head`.
admin_act_head = Table(
    "admin_act_head",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)
