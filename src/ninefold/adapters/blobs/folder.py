"""Blobs as files named by their content, in one folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

from ninefold.domain.errors import NotFound, Unavailable
from ninefold.ports.blob_store import checked_digest


class FolderBlobStore:
    """A `BlobStore`; `ab/cdef…` under `folder` is the blob `abcdef…`. Several processes may use one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, data: bytes) -> str:
        return await asyncio.to_thread(self._put, data)

    async def get(self, digest: str) -> bytes:
        return await asyncio.to_thread(self._get, checked_digest(digest))

    async def exists(self, digest: str) -> bool:
        return await asyncio.to_thread(self._path(digest).is_file)

    async def size(self, digest: str) -> int:
        try:
            return (await asyncio.to_thread(self._path(digest).stat)).st_size
        except FileNotFoundError as error:
            raise NotFound(f"there is no blob {digest}") from error
        except OSError as error:
            raise Unavailable(f"blob {digest} could not be read: {error.strerror}") from error

    async def delete(self, digest: str) -> None:
        path = self._path(digest)
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise Unavailable(f"blob {digest} could not be deleted: {error.strerror}") from error

    def _path(self, digest: str) -> Path:
        checked_digest(digest)
        return self._folder / digest[:2] / digest[2:]

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if _digest_of(path) == digest:
                return digest
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(path, data)
        except OSError as error:
            raise Unavailable(f"blob {digest} could not be stored: {error.strerror}") from error
        return digest

    def _get(self, digest: str) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no blob {digest}") from error
        except OSError as error:
            raise Unavailable(f"blob {digest} could not be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise Unavailable(f"blob {digest} is damaged: store it again, or restore it from a backup")
        return data


def _digest_of(path: Path) -> str | None:
    """What the file really holds, None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    """`path` holds `data` on stable storage, and held nothing or the old content until then."""
    descriptor, fresh = tempfile.mkstemp(prefix=".put-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        entries = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)
