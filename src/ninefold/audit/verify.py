"""Whether an audit log is what it has signed, and if not, what is wrong and where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from ninefold.audit.checkpoint import Checkpoint, LogKey, Verify, open_note, split_notes
from ninefold.audit.entry import decode_leaf
from ninefold.audit.frontier import Frontier
from ninefold.audit.merkle import HASH_BYTES, leaf_hash
from ninefold.audit.proofs import Proofs
from ninefold.audit.state import State, load_state
from ninefold.domain.errors import Conflict, InvalidRequest
from ninefold.ports.audit_log import AuditLog

_CHUNK = 4096
# Of one kind; one changed byte can be seen in many places.
_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with what: `where` is a file or a place in one."""

    where: str
    what: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found. `root` is that of the leaves as they lie there, `epochs` the journals that they came from."""

    origin: str
    size: int = 0
    root: bytes = b""
    checkpoints: int = 0
    witnessed: int = 0
    counts: dict[str, int] = field(default_factory=dict[str, int])
    epochs: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    state: State = field(default_factory=State)
    problems: list[Problem] = field(default_factory=list[Problem])

    def tell(self, where: str, what: str) -> None:
        """The problem is in the report."""
        self.problems.append(Problem(where=where, what=what))


def verify_log(log: AuditLog, key: LogKey, verify: Verify, *, witnessed: str = "") -> Report:
    """Everything there is: every leaf, tile, checkpoint and signature, and that each checkpoint's tree begins with the one before.

    `witnessed` are the notes that a witness remembers. The log may grow meanwhile; what is newer than its standing now is left out.
    Raises: Unavailable; InvalidRequest where there is no log at all.
    """
    report = Report(origin=key.name)
    # In this order: a note is in the file only after the standing that it is of.
    notes = log.notes()
    try:
        standing = log.standing()
    except Conflict as error:
        report.tell("standing.json", error.detail)
        return report
    if standing is None:
        raise InvalidRequest("there is no audit log in this folder")
    try:
        report.state = load_state(standing.state)
    except msgspec.DecodeError:
        report.tell("standing.json", "what the sequencer remembers cannot be understood")
    report.size = standing.size
    own = _opened(report, notes, key, verify, "checkpoints")
    if standing.note or standing.size:
        own += _opened(report, standing.note, key, verify, "standing.json")
        if own and own[-1][1].size != standing.size:
            report.tell("standing.json", f"it names {standing.size} leaves, and its checkpoint {own[-1][1].size}")
    theirs = _opened(report, witnessed, key, verify, "the witness")
    report.checkpoints, report.witnessed = len({each.size for _, each in own}), len(theirs)
    _check_order(report, own)
    for where, checkpoint in (*own, *theirs):
        if checkpoint.size > report.size:
            report.tell(where, f"it covers {checkpoint.size} leaves, and the log ends at {report.size}: the log was cut or rolled back")
    _check_leaves(report, log, [*own, *theirs])
    for about, gap in report.state.gaps.items():
        report.tell(f"gap at {about}", gap)
    return report


def _opened(report: Report, text: str, key: LogKey, verify: Verify, where: str) -> list[tuple[str, Checkpoint]]:
    found: list[tuple[str, Checkpoint]] = []
    for number, note in enumerate(split_notes(text), 1):
        place = f"{where}, note {number}"
        try:
            found.append((place, open_note(note, key, verify)))
        except InvalidRequest as error:
            report.tell(place, f"forged or damaged: {error.detail}")
    return found


def _check_order(report: Report, own: list[tuple[str, Checkpoint]]) -> None:
    for (_, before), (where, after) in itertools.pairwise(own):
        if after.size < before.size:
            report.tell(where, f"it covers {after.size} leaves, and the one before it {before.size}: a log only grows")


def _check_leaves(report: Report, log: AuditLog, checkpoints: list[tuple[str, Checkpoint]]) -> None:
    """Builds the tree anew from the leaves, and compares it with the tiles, and with every checkpoint on the way."""
    tree, numbers = Frontier(), dict[tuple[str, int], int]()
    expected: dict[int, list[tuple[str, Checkpoint]]] = {}
    for each in checkpoints:
        if each[1].size <= report.size:
            expected.setdefault(each[1].size, []).append(each)
    different: list[int] = []
    unfit: list[str] = []
    leaves = log.leaves(0, report.size)
    for start, stop in _chunks(report.size, expected):
        part = list(itertools.islice(leaves, stop - start))
        if len(part) < stop - start:
            report.tell("leaves", f"leaf {start + len(part)} is missing: the leaves end there, and {report.size} were signed")
        for index, leaf in enumerate(part, start):
            _read_leaf(report, index, leaf, numbers)
        before = tree.size
        grown = tree.extend(part)
        different += _differing(report, log, before, stop, grown)
        if len(part) < stop - start:
            break
        unfit += [where for where, checkpoint in expected.get(stop, ()) if checkpoint.root != tree.root()]
    report.root = tree.root()
    _blame(report, log, checkpoints, different, unfit, is_whole=tree.size == report.size)
    if tree.size == report.size and report.counts != report.state.counts:
        report.tell("standing.json", f"it counts {report.state.counts}, and the leaves are {report.counts}")


def _chunks(size: int, expected: dict[int, list[tuple[str, Checkpoint]]]) -> Iterator[tuple[int, int]]:
    """[start, stop) so that every checkpoint's size is a stop."""
    stops = sorted({*range(_CHUNK, size, _CHUNK), *(each for each in expected if each), *((size,) if size else ())})
    return itertools.pairwise([0, *stops])


def _read_leaf(report: Report, index: int, leaf: bytes, numbers: dict[tuple[str, int], int]) -> None:
    try:
        read = decode_leaf(leaf)
    except msgspec.DecodeError:
        report.tell(_place(index), "it cannot be understood")
        return
    report.counts[read.kind] = report.counts.get(read.kind, 0) + 1
    key = (read.worker, read.epoch)
    report.epochs.add(key)
    if read.sequence <= numbers.get(key, 0):
        report.tell(_place(index), f"record {read.sequence} of {read.worker}, epoch {read.epoch}, comes after record {numbers[key]}")
    numbers[key] = read.sequence


def _differing(report: Report, log: AuditLog, start: int, stop: int, grown: dict[int, bytes]) -> list[int]:
    """The leaves whose hash is not the tile's; what is wrong with higher tiles is told."""
    different: list[int] = []
    for level, hashes in grown.items():
        first = start >> (8 * level)
        found = log.hashes(level, first, first + len(hashes) // HASH_BYTES)
        if level == 0:
            # One more, to see whether a leaf is gone and the next has moved up.
            found = log.hashes(0, start, stop)
        if found[: len(hashes)] == hashes:
            continue
        for at in range(0, len(hashes), HASH_BYTES):
            if found[at : at + HASH_BYTES] != hashes[at : at + HASH_BYTES]:
                place = first + at // HASH_BYTES
                if level == 0:
                    different.append(place)
                elif len(report.problems) < _TOLD:
                    report.tell(
                        f"tiles/{level}", f"hash {place} is not that of the leaves {place << 8 * level} to {(place + 1 << 8 * level) - 1}"
                    )
    return different


def _blame(
    report: Report, log: AuditLog, checkpoints: list[tuple[str, Checkpoint]], different: list[int], unfit: list[str], *, is_whole: bool
) -> None:
    """Says of each leaf that does not fit its tile which of the two is not what was signed."""
    signed = {checkpoint.root for _, checkpoint in checkpoints if checkpoint.size == report.size}
    try:
        tiles_are_signed = Proofs(log.hashes).root(report.size) in signed
    except LookupError as error:
        report.tell("tiles", str(error))
        tiles_are_signed = False
    for index in different[:_TOLD]:
        gone = next(iter(log.leaves(index, index + 1)), None)
        if gone is not None and leaf_hash(gone) == log.hashes(0, index + 1, index + 2):
            report.tell(_place(index), "it is missing: the leaf behind it stands in its place")
            break
        if is_whole and report.root in signed:
            report.tell(f"tiles/0, hash {index}", "it was changed: the leaf is the one that was signed")
        elif tiles_are_signed:
            report.tell(_place(index), "it was changed: its hash is not the one that was signed")
        else:
            report.tell(_place(index), "it and its hash in tiles/0 do not agree, and neither fits the newest checkpoint")
    if len(different) > _TOLD:
        report.tell("leaves", f"{len(different) - _TOLD} more do not fit their hashes")
    for where in unfit[:_TOLD]:
        report.tell(where, "its root is not that of the leaves it covers: the log was rewritten after it was signed")
    if len(unfit) > _TOLD:
        report.tell("checkpoints", f"{len(unfit) - _TOLD} more do not fit the leaves")


def _place(index: int) -> str:
    return f"leaf {index} (leaves/{index >> 16:06d}.ndjson, line {(index & 0xFFFF) + 1})"
