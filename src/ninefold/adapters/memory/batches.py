"""The books of files and batches in memory: for tests, and for a run that shall leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ninefold.domain.batch import Batch, BatchStatus, StoredFile, with_wish
from ninefold.domain.errors import Conflict, NotFound
from ninefold.ports.batch_store import Claimed, Page

T = TypeVar("T")


@dataclass(slots=True)
class _Row:
    batch: Batch
    epoch: int = 0
    until: float = 0.0


class MemoryBatchStore:
    """A `BatchStore`."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], StoredFile] = {}
        self._rows: dict[str, _Row] = {}

    async def add_file(self, file: StoredFile) -> None:
        self._files.setdefault((file.tenant, file.file_id), file)

    async def file(self, tenant: str, file_id: str) -> StoredFile:
        found = self._files.get((tenant, file_id))
        if found is None:
            raise NotFound(f"There is no file {file_id[:100]!r}.")
        return found

    async def files(self, tenant: str, purpose: str | None, page: Page) -> tuple[StoredFile, ...]:
        mine = [file for (owner, _), file in self._files.items() if owner == tenant and purpose in {None, file.purpose}]
        return _page(mine, lambda file: (file.created_at, file.file_id), page)

    async def kept(self, tenant: str) -> tuple[int, int]:
        mine = [file.size_bytes for (owner, _), file in self._files.items() if owner == tenant]
        return len(mine), sum(mine)

    async def remove_file(self, tenant: str, file_id: str) -> StoredFile:
        found = await self.file(tenant, file_id)
        if any(row.batch.tenant == tenant and row.batch.input_file_id == file_id and not row.batch.over for row in self._rows.values()):
            raise Conflict("A batch that is not over reads this file: cancel it first.")
        del self._files[tenant, file_id]
        return found

    async def add_batch(self, batch: Batch) -> None:
        self._rows[batch.batch_id] = _Row(batch)

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        return self._row(tenant, batch_id).batch

    async def batches(self, tenant: str, page: Page) -> tuple[Batch, ...]:
        mine = [row.batch for row in self._rows.values() if row.batch.tenant == tenant]
        return _page(mine, lambda batch: (batch.created_at, batch.batch_id), page)

    async def cancel(self, tenant: str, batch_id: str, at: float) -> Batch:
        row = self._row(tenant, batch_id)
        if row.batch.over:
            raise Conflict(f"The batch is {row.batch.status} already.")
        if row.batch.status is not BatchStatus.CANCELLING:
            reached = (*row.batch.reached, (BatchStatus.CANCELLING.value, at))
            row.batch = replace(row.batch, status=BatchStatus.CANCELLING, reached=reached, start_after=min(at, row.batch.start_after))
        return row.batch

    async def claim(self, worker: str, at: float, until: float) -> Claimed | None:
        del worker
        free = [row for row in self._rows.values() if not row.batch.over and row.until <= at and row.batch.start_after <= at]
        if not free:
            return None
        row = min(free, key=lambda row: (row.batch.start_after, row.batch.batch_id))
        row.epoch += 1
        row.until = until
        return Claimed(batch=row.batch, epoch=row.epoch)

    async def save(self, claimed: Claimed, batch: Batch, until: float) -> Batch:
        row = self._rows.get(batch.batch_id)
        if row is None or row.epoch != claimed.epoch:
            raise Conflict("Another process works at this batch.")
        row.batch, row.until = with_wish(row.batch, batch), until
        return row.batch

    async def release(self, claimed: Claimed) -> None:
        row = self._rows.get(claimed.batch.batch_id)
        if row is not None and row.epoch == claimed.epoch:
            row.until = 0.0

    def _row(self, tenant: str, batch_id: str) -> _Row:
        found = self._rows.get(batch_id)
        if found is None or found.batch.tenant != tenant:
            raise NotFound(f"There is no batch {batch_id[:100]!r}.")
        return found


def _page(rows: Iterable[T], place: Callable[[T], tuple[float, str]], page: Page) -> tuple[T, ...]:
    ordered = sorted(rows, key=place, reverse=not page.oldest_first)
    start = 0
    if page.after is not None:
        names = [place(row)[1] for row in ordered]
        if page.after not in names:
            raise NotFound(f"There is no {page.after[:100]!r} in this list.")
        start = names.index(page.after) + 1
    return tuple(ordered[start : start + page.limit])
