"""The write-ahead log of one gateway worker: money, decisions, answers."""

from __future__ import annotations

from typing import Protocol


class Journal(Protocol):
    """Append-only frames of one worker in one epoch.

    A frame is in the order it was appended; `sequence` counts from 1. `append` only collects; `commit` hands everything collected to
    the operating system in one write(2), after which `kill -9` cannot lose it; fsync follows within 10 ms.
    Laws (tests/contracts/test_journal.py): what was committed is read back in order by a reader in another process; a torn last frame
    is never read; a flipped bit ends the readable part and is reported.
    On failure: Unavailable from `commit` (a full disk): the request must not be answered.
    """

    @property
    def sequence(self) -> int:
        """The number of the last frame appended."""
        ...

    def append(self, record: object) -> int:
        """The frame's sequence number; nothing is durable yet."""
        ...

    def commit(self) -> None:
        """All that was appended has been handed to the operating system. Raises: Unavailable."""
        ...

    async def synced(self, sequence: int) -> None:
        """Returns once every frame up to `sequence` is on stable storage. Raises: Unavailable."""
        ...
