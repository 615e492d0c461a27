"""Blobs in memory: for tests, and for a run that shall leave nothing behind."""

from __future__ import annotations

import hashlib

from ninefold.domain.errors import NotFound
from ninefold.ports.blob_store import checked_digest


class MemoryBlobStore:
    """A `BlobStore`."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = bytes(data)
        return digest

    async def get(self, digest: str) -> bytes:
        try:
            return self._blobs[checked_digest(digest)]
        except KeyError as error:
            raise NotFound(f"there is no blob {digest}") from error

    async def exists(self, digest: str) -> bool:
        return checked_digest(digest) in self._blobs

    async def size(self, digest: str) -> int:
        return len(await self.get(digest))

    async def delete(self, digest: str) -> None:
        self._blobs.pop(checked_digest(digest), None)
