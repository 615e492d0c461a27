"""Tenants' files: their rows in the books, their bytes among the blobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.batch import StoredFile
from ninefold.domain.errors import Conflict
from ninefold.ports.batch_store import BatchStore
from ninefold.ports.blob_store import BlobStore

MAX_FILES = 10_000
MAX_BYTES = 10 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShelf:
    """Keeps, gives and drops files. `new_id` makes what nobody can guess."""

    store: BatchStore
    blobs: BlobStore
    wall: Callable[[], float]
    new_id: Callable[[], str]

    async def upload(self, tenant: str, name: str, purpose: str, data: bytes) -> StoredFile:
        """A new file of the tenant. Raises: Conflict where the tenant has as much as it may; Unavailable."""
        count, size = await self.store.kept(tenant)
        if count >= MAX_FILES or size + len(data) > MAX_BYTES:
            raise Conflict(f"A tenant keeps at most {MAX_FILES:,} files and {MAX_BYTES >> 30} GiB: delete some first.")
        return await self.keep(tenant, f"file-{self.new_id()}", name, purpose, data)

    async def keep(self, tenant: str, file_id: str, name: str, purpose: str, data: bytes) -> StoredFile:
        """The file of this id is there; keeping it twice changes nothing. Raises: Unavailable."""
        digest = await self.blobs.put(_own(file_id, data))
        at = self.wall()
        file = StoredFile(tenant=tenant, file_id=file_id, name=name, purpose=purpose, size_bytes=len(data), digest=digest, created_at=at)
        await self.store.add_file(file)
        return file

    async def content(self, file: StoredFile) -> bytes:
        """The file's bytes. Raises: NotFound, Unavailable."""
        return (await self.blobs.get(file.digest)).removeprefix(_own(file.file_id, b""))

    async def drop(self, tenant: str, file_id: str) -> None:
        """The file is gone. Raises: NotFound; Conflict while a batch reads it; Unavailable."""
        file = await self.store.remove_file(tenant, file_id)
        await self.blobs.delete(file.digest)


def _own(file_id: str, data: bytes) -> bytes:
    """Equal files are different blobs, so that to delete one never takes the bytes of another."""
    return file_id.encode() + b"\n" + data
