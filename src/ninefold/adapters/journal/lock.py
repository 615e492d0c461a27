"""Who writes a worker's journals: one process at a time, and its death can be proved."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

from ninefold.domain.errors import Conflict, Unavailable

_RETRY_S = 0.01


class WorkerLock:
    """The exclusive right to write the journals of `worker`; the kernel ends it with the process, however that dies."""

    def __init__(self, descriptor: int, worker: str) -> None:
        self._descriptor = descriptor
        self.worker = worker

    @classmethod
    def acquire(cls, folder: Path, worker: str, *, wait_s: float = 1.0) -> WorkerLock:
        """The lock is ours. `wait_s` bridges the moment in which somebody proves our predecessor's death.

        Raises: Conflict where a living process has it; Unavailable.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(_path(folder, worker), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"the journal folder {folder} cannot be written: {error.strerror}") from error
        deadline = time.monotonic() + wait_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise Conflict(f"another living process is worker {worker!r}: stop it, or use another name")
            time.sleep(_RETRY_S)
        return cls(descriptor, worker)

    def announce(self, epoch: int) -> None:
        """Readers see that every epoch before `epoch` has ended."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(epoch).encode(), 0)

    def release(self) -> None:
        """Another process may be this worker; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextlib.contextmanager
def proof_of_death(folder: Path, worker: str, epoch: int) -> Generator[bool]:
    """Inside the context: whether nobody can write `epoch` any more; while it is proved by the lock, nobody can become the worker."""
    try:
        descriptor = os.open(_path(folder, worker), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False  # a worker of another machine: nothing can be proved from here
        return
    except OSError as error:
        raise Unavailable(f"the journal folder {folder} cannot be read: {error.strerror}") from error
    try:
        if _try_lock(descriptor):
            yield True
        else:
            # The holder announced its epoch before it wrote anything: what is older has ended.
            announced = os.pread(descriptor, 32, 0)
            yield announced.isdigit() and int(announced) > epoch
    finally:
        os.close(descriptor)


def _path(folder: Path, worker: str) -> Path:
    return folder / f"{worker}.lock"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise Unavailable(f"the worker's lock cannot be taken: {error.strerror}") from error
    return True
