"""Where the books of files and batches stand, and who works at which batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.batch import Batch, StoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list: at most `limit`, behind the one of id `after`; the newest come first unless `oldest_first`."""

    limit: int
    after: str | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A batch that one process works at. `epoch` grows with each claim: who has an older one has lost it."""

    batch: Batch
    epoch: int


class BatchStore(Protocol):
    """Files and batches by tenant.

    Laws (tests/contracts/test_batch_store.py): another tenant finds nothing; a batch that waits is claimed by one process at a time, the
    one that waits longest first, and again by another once the lease has ended; who lost its claim changes nothing any more; a wish to
    cancel is never overwritten by progress; a file that an unfinished batch reads cannot be removed.
    On failure: Unavailable.
    Default: `ninefold.adapters.sql.batches`; `ninefold.adapters.memory.batches` in tests.
    """

    async def add_file(self, file: StoredFile) -> None:
        """The file is there; adding it again changes nothing."""
        ...

    async def file(self, tenant: str, file_id: str) -> StoredFile:
        """Raises: NotFound."""
        ...

    async def files(self, tenant: str, purpose: str | None, page: Page) -> tuple[StoredFile, ...]:
        """One page of the tenant's files."""
        ...

    async def kept(self, tenant: str) -> tuple[int, int]:
        """How many files the tenant has, and their bytes together."""
        ...

    async def remove_file(self, tenant: str, file_id: str) -> StoredFile:
        """The file is not there; what it was is returned. Raises: NotFound; Conflict while a batch reads it."""
        ...

    async def add_batch(self, batch: Batch) -> None:
        """The batch waits for somebody who works at it."""
        ...

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        """Raises: NotFound."""
        ...

    async def batches(self, tenant: str, page: Page) -> tuple[Batch, ...]:
        """One page of the tenant's batches."""
        ...

    async def cancel(self, tenant: str, batch_id: str, at: float) -> Batch:
        """The batch is cancelling; one that is cancelling already stays so. Raises: NotFound; Conflict where it is over."""
        ...

    async def claim(self, worker: str, at: float, until: float) -> Claimed | None:
        """A batch that is not over, may start, and nobody works at; it is the caller's `until` then. None where there is none."""
        ...

    async def save(self, claimed: Claimed, batch: Batch, until: float) -> Batch:
        """`batch` stands, and the claim holds `until`; returned is what stands, which is cancelling where somebody has wished that
        meanwhile and `batch` is not over. Raises: Conflict where the claim was lost."""
        ...

    async def release(self, claimed: Claimed) -> None:
        """Another process may claim the batch at once; nothing happens where the claim was lost."""
        ...
