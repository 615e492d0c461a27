"""The newest snapshot on disk, so that a gateway starts without a database."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

from ninefold.domain.errors import Conflict, Unavailable
from ninefold.domain.snapshot import Snapshot
from ninefold.wire import snapshot as codec

_MAGIC = b"ninefold-snapshot-1"


class SnapshotFile:
    """A `SnapshotStore` in one file with one writer: a line with format, version and SHA-256 of the rest, then the snapshot."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def publish(self, snapshot: Snapshot) -> None:
        await asyncio.to_thread(self._publish, snapshot)

    async def version(self) -> int:
        found = await asyncio.to_thread(self._read)
        return 0 if found is None else found[0]

    async def load(self) -> Snapshot | None:
        found = await asyncio.to_thread(self._read)
        return None if found is None else codec.decode(found[1])

    def _publish(self, snapshot: Snapshot) -> None:
        body = codec.encode(snapshot)
        # A damaged file is replaced: this is the copy, not the truth.
        version, standing = self._read(damaged=(0, b"")) or (0, b"")
        if snapshot.version == version and standing == body:
            return
        if snapshot.version <= version:
            raise Conflict(f"snapshot {snapshot.version} was not kept: {self._path} holds {version}")
        head = b"%s %d %s\n" % (_MAGIC, snapshot.version, hashlib.sha256(body).hexdigest().encode())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(self._path, head + body)
        except OSError as error:
            raise Unavailable(f"the snapshot could not be kept at {self._path}: {error.strerror}") from error

    def _read(self, *, damaged: tuple[int, bytes] | None = None) -> tuple[int, bytes] | None:
        """Version and body, None where there is no file, `damaged` (if given) where it cannot be trusted."""
        try:
            head, _, body = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"the snapshot at {self._path} cannot be read: {error.strerror}") from error
        fields = head.split(b" ")
        if len(fields) == 3 and fields[0] == _MAGIC and fields[1].isdigit() and fields[2] == hashlib.sha256(body).hexdigest().encode():
            return int(fields[1]), body
        if damaged is not None:
            return damaged
        raise Unavailable(f"the snapshot at {self._path} is damaged: remove it, and control will write a new one")


def _replace(path: Path, content: bytes) -> None:
    """`path` holds `content` on stable storage; whoever reads it meanwhile finds the old content or the new."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
