"""Where the audit log lies: its leaves, its tiles of hashes and its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the log is: its size, the signed note over it ("" for an empty log), and what its writer must know to go on."""

    size: int = 0
    note: str = ""
    state: bytes = b""


class AuditLog(Protocol):
    """An append-only log with one writer; any process may read it meanwhile.

    Leaf n's hash is hash n of level 0; level k + 1 has a hash for each 256 of level k. A leaf is one line of UTF-8 without its newline.
    Laws (tests/contracts/test_audit_log.py): leaves, hashes and standing move together, so that a writer that is killed anywhere in
    `append` leaves the log as it was before or after; a note that was once readable stays; of two writers one is refused.
    On failure: Unavailable; Conflict where there is less than the standing says, or another writer: nothing is appended to either.
    Default: `ninefold.adapters.audit_files.log`.
    """

    def open(self) -> Standing:
        """This process is the writer, and what an earlier one did not finish is gone. Raises: Conflict; Unavailable."""
        ...

    def append(self, leaves: Sequence[bytes], hashes: Mapping[int, bytes], standing: Standing) -> None:
        """The leaves, the new hashes of each level and the standing are on stable storage. Only after `open`. Raises: Unavailable."""
        ...

    def close(self) -> None:
        """Another process may be the writer; idempotent."""
        ...

    def standing(self) -> Standing | None:
        """The standing, None where there is no log. Raises: Conflict where it cannot be understood; Unavailable."""
        ...

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        """Leaves [start, stop) in order, as many of them as there are. Raises: Unavailable."""
        ...

    def hashes(self, level: int, start: int, stop: int) -> bytes:
        """Hashes [start, stop) of a level, as many of them as there are. Raises: Unavailable."""
        ...

    def notes(self) -> str:
        """Every signed note so far, one behind the other; the last one may still be missing here. Raises: Unavailable."""
        ...
