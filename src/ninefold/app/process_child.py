"""One child process of the supervisor, and the place that it fills."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ninefold.app.process_boot import Boot

GATEWAY, CONTROL, WORKER, PROJECTOR = "gateway", "control", "worker", "projector"
COMMANDS = {
    GATEWAY: (sys.executable, "-m", "ninefold.app.gateway_process"),
    CONTROL: (sys.executable, "-m", "ninefold.app.control_process"),
    WORKER: (sys.executable, "-m", "ninefold.app.worker_process"),
    PROJECTOR: (sys.executable, "-m", "ninefold.app.projector_process"),
}

_PR_SET_PDEATHSIG = 1  # Source: prctl(2)
_FIRST_DELAY_S = 0.25
_LONGEST_DELAY_S = 10.0
_HEALTHY_AFTER_S = 10.0


def retry_delay_s(kind: str, failures: int) -> float:
    """How long to wait before a child is started again that has failed `failures` times in a row (≥ 1): a gateway's first time, not
    at all, else 0.25 s, doubled up to 10 s."""
    if kind == GATEWAY:
        failures -= 1
    if failures <= 0:
        return 0.0
    return min(_FIRST_DELAY_S * 2 ** min(failures - 1, 10), _LONGEST_DELAY_S)


@dataclass(slots=True, kw_only=True)
class Child:
    """A running process. `ready_fd` is our end of its ready pipe, -1 once it was read; `kill_at` is when patience ends."""

    process: subprocess.Popen[bytes]
    worker: str
    started_at: float
    ready_fd: int
    ready: bool = False
    kill_at: float | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def end(self, now: float, within_s: float) -> None:
        """It was asked to end, and will be killed if it has not within `within_s`; a child that was asked before keeps its time."""
        if self.kill_at is None:
            self.kill_at = now + within_s
            self.process.terminate()


@dataclass(slots=True, kw_only=True)
class Slot:
    """A place that one process of `kind` fills. `successor` runs during a rolling restart; `leaving` holds those that drain."""

    kind: str
    index: int
    current: Child | None = None
    successor: Child | None = None
    leaving: list[Child] = field(default_factory=list["Child"])
    failures: int = 0
    start_at: float | None = None

    def children(self) -> list[Child]:
        """Everyone alive here."""
        return [child for child in (self.current, self.successor, *self.leaving) if child is not None]

    def note_end(self, child: Child, now: float) -> None:
        """`child`, the current one, is dead; the next start is set."""
        self.current = None
        self.failures = 1 if child.ready and now - child.started_at >= _HEALTHY_AFTER_S else self.failures + 1
        self.start_at = now + retry_delay_s(self.kind, self.failures)


def spawn(command: Sequence[str], boot: Callable[[int], Boot], *, pass_fds: Sequence[int], now: float, worker: str) -> Child:
    """A child runs; it ends when we do. `boot` gets the descriptor on which the child says that it is ready."""
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
            [*command, "--boot", boot(writer).to_json()],
            pass_fds=(*pass_fds, writer),
            stdin=subprocess.DEVNULL,
            stdout=2,
            # Ctrl-C reaches the whole foreground group; the order of leaving is ours to set.
            process_group=0,
            preexec_fn=_tie_to_parent(os.getpid()),  # noqa: PLW1509  # the supervisor has one thread
        )
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    os.set_blocking(reader, False)
    return Child(process=process, worker=worker, started_at=now, ready_fd=reader)


def _tie_to_parent(parent: int) -> Callable[[], None]:
    """What runs in the child before it becomes another program: from here on it is killed when its parent dies."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def tie() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if prctl is not None:
            # SIGKILL, because a successor of a dead supervisor cannot start before its predecessor's children are gone; what they
            # acknowledged stands in their journals.
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return tie
