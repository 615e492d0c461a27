"""Processes on chosen cores: started, watched through /proc, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_RT_PRIORITY = 5
_END_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident and proportional set size, in bytes."""

    rss_bytes: int
    pss_bytes: int


def free_port(*, pair: bool = False) -> int:
    """A port nobody listens on; with `pair` the next one is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            if not pair:
                return port
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except OSError:
                continue


def start(
    command: Sequence[str], log: Path, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None, core: int | None = None
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, its output in `log`, its whole tree on `core` where one is given."""
    pinned = ["taskset", "-c", str(core), *command] if core is not None else list(command)
    with log.open("ab") as out:
        return subprocess.Popen(
            pinned, env={**os.environ, **(environ or {})}, cwd=cwd, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )


def tree(pid: int) -> list[int]:
    """`pid` and everything below it that lives."""
    found = [pid]
    for each in found:
        for task in _tasks(each):
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> str:
    """The words of its command, "" where it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def cpu_ns(pids: Sequence[int]) -> int:
    """Nanoseconds on a core, all threads that live, from the scheduler's own count (not from clock ticks)."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def memory(pids: Sequence[int]) -> Memory:
    """All of them together."""
    rss = pss = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    rss += int(line.split()[1]) * 1024
                elif line.startswith("Pss:"):
                    pss += int(line.split()[1]) * 1024
    return Memory(rss_bytes=rss, pss_bytes=pss)


def pin(pids: Sequence[int], cores: set[int]) -> None:
    """Every thread of these processes runs on `cores` from now on."""
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def real_time(pids: Sequence[int], *, wanted: bool) -> Generator[None]:
    """While inside, these processes come before everybody else's on their cores (needs root). The kernel keeps 5% for the others."""
    if wanted:
        _schedule(pids, os.SCHED_RR, _RT_PRIORITY)
    try:
        yield
    finally:
        if wanted:
            _schedule(pids, os.SCHED_OTHER, 0)


def answers(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, timeout_s: float = 5.0) -> bytes | None:
    """The body of a 200, None for anything else."""
    request = urllib.request.Request(url, body, {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return response.read() if response.status == 200 else None
    except (OSError, urllib.error.URLError, ValueError):
        return None


def end(process: subprocess.Popen[bytes]) -> None:
    """It and everything that it started have ended."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    left = tree(process.pid)
    try:
        process.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        left = tree(process.pid)
    for pid in reversed(left):
        with contextlib.suppress(ProcessLookupError):
            # A number may have been given to somebody else meanwhile; its session tells.
            if pid == process.pid or os.getsid(pid) == process.pid:
                os.kill(pid, signal.SIGKILL)
    process.wait()


def wait_for(test: Callable[[], bool], until_s: float, *, every_s: float = 0.005) -> float | None:
    """Seconds until `test()` was true, None if it never was within `until_s`."""
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < until_s:
        if test():
            return time.perf_counter() - began
        time.sleep(every_s if passed < 10 else 0.2)
    return None


def _schedule(pids: Sequence[int], policy: int, priority: int) -> None:
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task.name), policy, os.sched_param(priority))


def _tasks(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []
