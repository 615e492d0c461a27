"""Whether the ledger says what the leaves say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from ninefold.audit.entry import Kind, Leaf, decode_leaf
from ninefold.audit.state import State
from ninefold.ports.record_book import RecordBook, Rows

# Members of a ledger's row of which the leaf holds the SHA-256.
HASHED = ("route", "tool_calls")
_ID = {Kind.DECISION: "decision_id", Kind.ANSWER: "request_id", Kind.REFUSAL: "request_id", Kind.SETTLEMENT: "attempt_id"}
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Leaf `index` and the ledger do not agree. A row that is `missing` may be on its way while its epoch is `(worker, epoch)`'s."""

    index: int
    what: str
    missing: bool = False
    worker: str = ""
    epoch: int = 0


async def compare(book: RecordBook, leaves: Iterable[bytes], first: int) -> list[Difference]:
    """What of `leaves`, which stand from `first` on, the ledger has not or has otherwise. Raises: Unavailable."""
    found: list[Difference] = []
    batch: list[tuple[int, Leaf]] = []
    for index, data in enumerate(leaves, first):
        try:
            leaf = decode_leaf(data)
        except msgspec.DecodeError:
            found.append(Difference(index=index, what=f"leaf {index} cannot be understood"))
            continue
        if leaf.kind in _ID:
            batch.append((index, leaf))
        if len(batch) >= _BATCH:
            found += await _compare(book, batch)
            batch = []
    return found + (await _compare(book, batch) if batch else [])


def is_booked(state: State, places: Mapping[tuple[str, int], tuple[int, int]]) -> bool:
    """Whether the ledger is at least as far as the log in every journal, so that each of its rows must be there."""
    return all(places.get((each.worker, each.epoch), (0, 0)) >= (each.segment, each.offset) for each in state.epochs)


async def _compare(book: RecordBook, batch: list[tuple[int, Leaf]]) -> list[Difference]:
    ids: dict[Kind, list[str]] = {}
    for _, leaf in batch:
        ids.setdefault(leaf.kind, []).append(str(leaf.record.get(_ID[leaf.kind])))
    rows: dict[Kind, Rows] = {kind: await book.rows(kind.value, names) for kind, names in ids.items()}
    found: list[Difference] = []
    for index, leaf in batch:
        name = str(leaf.record.get(_ID[leaf.kind]))
        row = rows[leaf.kind].get(name)
        if row is None:
            what = f"{leaf.kind} {name} is in leaf {index} and not in the ledger"
            found.append(Difference(index=index, what=what, missing=True, worker=leaf.worker, epoch=leaf.epoch))
            continue
        other = _different(leaf.record, row)
        if other:
            found.append(
                Difference(index=index, what=f"{leaf.kind} {name} has another {', '.join(other)} in the ledger than in leaf {index}")
            )
    return found


def _different(facts: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """The members that both have, with different values."""
    other = [name for name, value in row.items() if name in facts and facts[name] != value]
    hashed = {name: sha256(str(row[name]).encode()).hexdigest() for name in HASHED if name in row}
    return sorted([*other, *(name for name, digest in hashed.items() if digest != facts.get(f"{name}_sha256"))])
