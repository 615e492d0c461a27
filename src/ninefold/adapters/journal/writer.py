"""The journal of this process."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import msgspec

from ninefold.adapters.journal.frames import Header, encode_frame, encode_header, file_name
from ninefold.adapters.journal.lock import WorkerLock
from ninefold.domain.errors import Conflict, Unavailable

_SEGMENT_BYTES = 64 * 1024 * 1024
_BACKLOG_BYTES = 8 * 1024 * 1024
_GROUP_S = 0.005  # half of what is promised; the rest is for the fsync itself


class JournalWriter:
    """Implements `ninefold.ports.journal.Journal` for one (worker, epoch); made after a fork, used from one thread.

    A second thread does the fsyncs, so that the event loop never waits for the disk. Two records and their commit cost about 4 µs, most
    of it in write(2).
    """

    def __init__(
        self, folder: Path, worker: str, epoch: int, *, lock: WorkerLock | None = None, segment_bytes: int = _SEGMENT_BYTES
    ) -> None:
        """The first segment exists. Without `lock` it is taken here, and given back by `close`.

        Raises: Conflict where the epoch was written before or another process is this worker; Unavailable.
        """
        self.worker, self.epoch = worker, epoch
        self._folder = folder
        self._lock = lock or WorkerLock.acquire(folder, worker)
        self._owns_lock = lock is None
        self._encode = msgspec.msgpack.Encoder().encode
        self._segment_bytes = segment_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._sequence = self._written = self._synced = 0
        self._number = 0
        self._size = 0
        self._fd = -1
        self._rotate_next = False
        self._failed: str | None = None
        self._guard = threading.Lock()
        self._retired: list[int] = []
        self._dirty = threading.Event()
        self._urgent = threading.Event()
        self._closing = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            self._lock.announce(epoch)
            self._open_segment()
            _sync_folder(folder)
        except OSError as error:
            self._release()
            raise Unavailable(f"the journal cannot be written: {error.strerror}", retry_after_s=1) from error
        except Conflict:
            self._release()
            raise
        self._thread = threading.Thread(target=self._sync_forever, name=f"ninefold-journal-{worker}", daemon=True)
        self._thread.start()

    @property
    def sequence(self) -> int:
        return self._sequence

    def append(self, record: object) -> int:
        payload = self._encode(record)
        if self._pending_bytes > _BACKLOG_BYTES:
            raise Unavailable("the journal's disk does not take any more: free some space", retry_after_s=5)
        self._pending.append(payload)
        self._pending_bytes += len(payload)
        self._sequence = sequence = self._sequence + 1
        return sequence

    def commit(self) -> None:
        if not self._pending:
            return
        if self._failed is not None:
            raise Unavailable(self._failed, retry_after_s=5)
        if self._size >= self._segment_bytes or self._rotate_next:
            self._rotate()
        data = encode_frame(self._pending)
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                self._write_rest(data, written)
        except OSError as error:
            raise Unavailable(f"the journal cannot be written: {error.strerror}", retry_after_s=5) from error
        self._size += len(data)
        self._pending = []
        self._pending_bytes = 0
        self._written = self._sequence
        if not self._dirty.is_set():
            self._dirty.set()

    async def synced(self, sequence: int) -> None:
        if self._synced >= sequence:
            return
        if self._failed is not None:
            raise Unavailable(self._failed, retry_after_s=5)
        if sequence > self._written:
            raise Unavailable("the journal has not taken this record yet", retry_after_s=1)
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((sequence, future))
        self._urgent.set()
        self._dirty.set()
        self._resolve()  # the thread may have synced between the two lines above
        await future

    def close(self) -> None:
        """Everything that was committed is on stable storage, the files are closed, an own lock is released. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._urgent.set()
        self._dirty.set()
        self._thread.join()
        self._release()

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._owns_lock:
            self._lock.release()

    def _write_rest(self, data: bytes, written: int) -> None:
        """The rest of a short write; where that fails, the file ends behind the frame before, and all stays pending."""
        view = memoryview(data)
        try:
            while written < len(data):
                written += os.write(self._fd, view[written:])
        except OSError:
            self._rotate_next = not _truncated(self._fd, self._size)
            raise

    def _rotate(self) -> None:
        try:
            self._open_segment()
        except OSError as error:
            raise Unavailable(f"the journal cannot be continued: {error.strerror}", retry_after_s=5) from error
        self._rotate_next = False

    def _open_segment(self) -> None:
        number = self._number + 1
        path = self._folder / file_name(self.worker, self.epoch, number)
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise Conflict(f"epoch {self.epoch} of worker {self.worker!r} has a journal already") from error
        first = self._sequence - len(self._pending) + 1
        header = encode_header(Header(worker=self.worker, epoch=self.epoch, number=number, first_sequence=first))
        try:
            if os.write(fd, header) != len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 a short write of a few bytes is a full disk
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        with self._guard:  # whoever syncs the new file has to see the old one too
            if self._fd >= 0:
                self._retired.append(self._fd)
            self._fd, self._number, self._size = fd, number, len(header)

    def _sync_forever(self) -> None:
        while True:
            self._dirty.wait()
            if not self._closing:
                self._urgent.wait(_GROUP_S)
            self._urgent.clear()
            self._dirty.clear()
            closing = self._closing
            with self._guard:
                sequence, current, retired = self._written, self._fd, self._retired
                self._retired = []
            try:
                for fd in retired:
                    os.fdatasync(fd)
                    os.close(fd)
                if retired:
                    _sync_folder(self._folder)
                os.fdatasync(current)
                self._synced = sequence
            except OSError as error:
                # After a failed fsync the kernel may have dropped the pages: only a new epoch can be trusted again.
                self._failed = f"the journal's disk lost data: {error.strerror}; restart on a healthy disk"
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._resolve)
            if closing or self._failed is not None:
                return

    def _resolve(self) -> None:
        waiting: list[tuple[int, asyncio.Future[None]]] = []
        for sequence, future in self._waiting:
            if future.done():
                continue
            if self._synced >= sequence:
                future.set_result(None)
            elif self._failed is not None:
                future.set_exception(Unavailable(self._failed, retry_after_s=5))
            else:
                waiting.append((sequence, future))
        self._waiting = waiting


def _truncated(fd: int, size: int) -> bool:
    try:
        os.ftruncate(fd, size)
    except OSError:
        return False  # the caller goes on in a new file, and readers stop at the torn frame
    return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
