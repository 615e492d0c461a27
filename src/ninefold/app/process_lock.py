"""One supervisor at a time owns a data directory."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

from ninefold.domain.errors import Conflict


class DataDirLock:
    """An advisory lock on `<data_dir>/run/supervisor.lock`.

    Children inherit `fd`, and with it the lock: it is free only once the last of them is dead, so that whoever gets it knows that no
    process of an earlier run still spends from its leases.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self._path = path

    @classmethod
    def acquire(cls, data_dir: Path, *, wait_s: float = 3.0) -> DataDirLock:
        """The lock, with our pid in its file. Waits up to `wait_s` where the owner is dead and its children are about to be.

        Raises: Conflict where another supervisor runs on this directory.
        """
        path = data_dir / "run" / "supervisor.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    os.close(fd)
                    raise
            owner = _owner(fd)
            if (owner is not None and alive(owner)) or time.monotonic() > give_up_at:
                os.close(fd)
                who = f"process {owner}" if owner is not None else "another process"
                raise Conflict(f"Ninefold already runs on {data_dir} ({who}): stop it first, or give this one another data_dir.")
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "started_at": round(time.time(), 3)}).encode(), 0)
        return cls(fd, path)

    def release(self) -> None:
        """Free, unless a child still holds it."""
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


def running_supervisor(data_dir: Path) -> int | None:
    """The pid of the supervisor that runs on `data_dir` now, or None."""
    path = data_dir / "run" / "supervisor.lock"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A pid in the file may have been given to somebody else since; the lock cannot.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(fd)
    else:
        return None
    finally:
        os.close(fd)


def alive(pid: int) -> bool:
    """Whether a process of this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _owner(fd: int) -> int | None:
    try:
        return int(json.loads(os.pread(fd, 4096, 0))["pid"])
    except (ValueError, KeyError, TypeError):
        return None
