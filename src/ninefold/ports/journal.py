"""The write-ahead log of one gateway worker: money, decisions, answers; and the folder in which others read it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Journal(Protocol):
    """Append-only frames of one worker in one epoch; the records of one commit share one.

    Records are in the order they were appended; `sequence` counts them from 1. `append` only collects; `commit` hands everything
    collected to the operating system in one write(2), after which `kill -9` cannot lose it; fsync follows within 10 ms.
    Laws (tests/contracts/test_journal.py): what was committed is read back in order by a reader in another process; a torn last frame
    is never read; a flipped bit ends the readable part and is reported.
    On failure: Unavailable from `commit` (a full disk): the request must not be answered. What was collected stays collected and
    goes out with the first commit that succeeds.
    """

    @property
    def sequence(self) -> int:
        """The number of the last record appended."""
        ...

    def append(self, record: object) -> int:
        """The record's sequence number; nothing is durable yet."""
        ...

    def commit(self) -> None:
        """All that was appended has been handed to the operating system. Raises: Unavailable."""
        ...

    async def synced(self, sequence: int) -> None:
        """Returns once every record up to `sequence` is on stable storage. Raises: Unavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a journal. `number` counts from 1 in each epoch; `modified_at` is in seconds since the epoch, UTC."""

    worker: str
    epoch: int
    number: int
    size_bytes: int
    modified_at: float


class PieceEnd(StrEnum):
    """Why a piece ends where it does."""

    FULL = "full"  # there is more to read now
    CLEAN = "clean"  # the file ends here, behind a whole frame
    TORN = "torn"  # an incomplete frame follows: it is being written, or its writer died
    CORRUPT = "corrupt"  # the next frame is whole and not what was written, or the file is not a journal's


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The records of whole frames in order, encoded, the offset behind them, and why no further frame was read."""

    payloads: tuple[bytes, ...]
    offset: int
    end: PieceEnd


class JournalFolder(Protocol):
    """The journals of all workers of one machine, for reading.

    Laws (tests/contracts/test_journal.py): a piece holds only whole frames whose checksum is right; reading on from `offset` misses
    and repeats nothing; death is proved only where no living process can still write that epoch.
    On failure: Unavailable.
    """

    def segments(self) -> tuple[Segment, ...]:
        """All files, by worker, epoch and number."""
        ...

    def read(self, segment: Segment, offset: int, max_bytes: int) -> Piece:
        """The whole frames from `offset` (0 is the beginning), at least one if there is one, else about `max_bytes` of them."""
        ...

    def proof_of_death(self, worker: str, epoch: int) -> AbstractContextManager[bool]:
        """Inside the context: whether no process can write that epoch any more, and none can start to."""
        ...

    def delete(self, segment: Segment) -> None:
        """The file is gone."""
        ...
