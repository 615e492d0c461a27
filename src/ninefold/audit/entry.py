"""What a journal's record means to the audit log, and the leaf that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from ninefold.ports.act_log import Act

# The writer of administrative acts, which stand in no journal.
ADMIN_WORKER = "admin"


class Kind(StrEnum):
    """The kinds of leaves."""

    DECISION = "decision"
    ANSWER = "answer"
    REFUSAL = "refusal"
    SETTLEMENT = "settlement"
    ADMIN = "admin"


# Not frozen: one is made for each record.
@dataclass(slots=True, kw_only=True)
class Entry:
    """One record. `facts` become a leaf of this `kind`; a record without a kind is none, but may name the decision that it `rests_on`."""

    kind: Kind | None
    request_id: str = ""
    decision_id: str = ""
    rests_on: str = ""
    facts: dict[str, Any] | None = None


class Leaf(msgspec.Struct, kw_only=True):
    """A leaf as it is read back. (worker, epoch, sequence) names its record: the `sequence`-th of that worker's journal in that epoch."""

    kind: Kind
    worker: str
    epoch: int
    sequence: int
    record: dict[str, Any]
    v: int = 1


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Leaf).decode


def encode_leaf(kind: Kind, worker: str, epoch: int, sequence: int, facts: dict[str, Any]) -> bytes:
    """The leaf's bytes: JSON with sorted members and no white space, in one line."""
    return _encode({"epoch": epoch, "kind": kind, "record": facts, "sequence": sequence, "v": 1, "worker": worker})


def decode_leaf(leaf: bytes) -> Leaf:
    """The leaf that was written. Raises: msgspec.DecodeError."""
    return _decode(leaf)


def act_leaf(act: Act) -> bytes:
    """The leaf of an administrative act."""
    facts = {"at": act.at, "act": act.kind, "subject": act.subject, "detail": msgspec.json.decode(act.detail)}
    return encode_leaf(Kind.ADMIN, ADMIN_WORKER, 1, act.seq, facts)
