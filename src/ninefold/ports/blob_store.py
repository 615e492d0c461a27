"""Where bytes live under the name of their content."""

from __future__ import annotations

import re
from typing import Protocol

from ninefold.domain.errors import InvalidRequest

_DIGEST = re.compile(r"[0-9a-f]{64}")


def checked_digest(digest: str) -> str:
    """`digest`, which is a SHA-256 in lower-case hex and therefore safe in a path. Raises: InvalidRequest where it is anything else."""
    if _DIGEST.fullmatch(digest) is None:
        raise InvalidRequest("a blob is named by its SHA-256 in lower-case hex", param="digest")
    return digest


class BlobStore(Protocol):
    """Immutable bytes named by their SHA-256.

    Laws (tests/contracts/test_blob_store.py): `get` returns exactly what was put, or fails; putting the same bytes again changes
    nothing, and repairs them where they were damaged; a blob is there whole or not at all, also after a crash; only digests are names.
    On failure: Unavailable.
    Default: `ninefold.adapters.blobs.folder`; `ninefold.adapters.memory.blobs` in tests.
    """

    async def put(self, data: bytes) -> str:
        """The digest under which `data` is on stable storage. Raises: Unavailable (a full disk)."""
        ...

    async def get(self, digest: str) -> bytes:
        """The bytes, verified. Raises: NotFound; Unavailable where they are damaged; InvalidRequest."""
        ...

    async def exists(self, digest: str) -> bool:
        """Whether the blob is there; damage is not looked for. Raises: InvalidRequest."""
        ...

    async def size(self, digest: str) -> int:
        """Its size in bytes. Raises: NotFound; InvalidRequest."""
        ...

    async def delete(self, digest: str) -> None:
        """The blob is not there; idempotent. Raises: InvalidRequest; Unavailable."""
        ...
