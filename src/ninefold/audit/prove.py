"""The proof that what happened in one request is in the log."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec

from ninefold.audit.checkpoint import LogKey, Verify, open_note
from ninefold.audit.entry import decode_leaf
from ninefold.audit.proofs import Proofs
from ninefold.domain.errors import Conflict, InvalidRequest, NotFound
from ninefold.ports.audit_log import AuditLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLeaf:
    """A leaf, its place, and the hashes that lead from it to the checkpoint's root."""

    index: int
    leaf: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceProof:
    """All leaves of one trace under one checkpoint, and that its tree begins with that of an older `since` leaves (0: not asked)."""

    trace_id: str
    key: LogKey
    note: str
    leaves: tuple[ProvenLeaf, ...]
    since: int = 0
    since_root: bytes = b""
    consistency: tuple[bytes, ...] = ()

    def document(self) -> dict[str, object]:
        """The proof as one JSON document, hashes in base64."""
        document: dict[str, object] = {
            "trace_id": self.trace_id,
            "key": self.key.text(),
            "checkpoint": self.note,
            "leaves": [{"index": each.index, "leaf": each.leaf.decode(), "proof": _texts(each.proof)} for each in self.leaves],
        }
        if self.since:
            old = base64.b64encode(self.since_root).decode()
            document["consistency"] = {"size": self.since, "root": old, "proof": _texts(self.consistency)}
        return document


def prove_trace(log: AuditLog, key: LogKey, verify: Verify, trace_id: str, *, since: int = 0) -> TraceProof:
    """The proof against the newest checkpoint; reads every leaf there is, about 4 µs a leaf.

    Raises: NotFound where the log has nothing of the trace; InvalidRequest for a `since` beyond it; Conflict where the log is damaged.
    """
    standing = log.standing()
    if standing is None or not standing.note:
        raise NotFound("the audit log is empty")
    try:
        size = open_note(standing.note, key, verify).size
    except InvalidRequest as error:
        raise Conflict(f"the newest checkpoint is not to be trusted: {error.detail}") from error
    if since > size:
        raise InvalidRequest(f"the log has {size} leaves, fewer than {since}", param="since")
    found = _leaves_of(log, size, trace_id)
    if not found:
        raise NotFound("the audit log has nothing under this trace id; what happened in the last two seconds may still be on its way there")
    proofs = Proofs(log.hashes)
    try:
        return TraceProof(
            trace_id=trace_id,
            key=key,
            note=standing.note,
            leaves=tuple(ProvenLeaf(index=index, leaf=leaf, proof=proofs.inclusion(index, size)) for index, leaf in found),
            since=since,
            since_root=proofs.root(since) if since else b"",
            consistency=proofs.consistency(since, size),
        )
    except LookupError as error:
        raise Conflict(f"the audit log is damaged: {error}; `ninefold audit verify` says where") from error


def _leaves_of(log: AuditLog, size: int, trace_id: str) -> list[tuple[int, bytes]]:
    """A settlement names its request only; the decision, which names both, stands before it."""
    found: list[tuple[int, bytes]] = []
    names = [b'"' + trace_id.encode() + b'"']
    for index, leaf in enumerate(log.leaves(0, size)):
        if not any(name in leaf for name in names):
            continue
        found.append((index, leaf))
        try:
            name = msgspec.json.encode(decode_leaf(leaf).record.get("request_id"))
        except msgspec.DecodeError as error:
            raise Conflict(f"leaf {index} cannot be understood: `ninefold audit verify` says more") from error
        if name not in names and name != b"null":
            names.append(name)
    return found


def _texts(hashes: tuple[bytes, ...]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]
