"""The parent of every process of `ninefold up`: starts them, restarts them, rolls them, and lets them leave in order."""

from __future__ import annotations

import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType

from ninefold.app.process_boot import Boot
from ninefold.app.process_child import COMMANDS, CONTROL, GATEWAY, PROJECTOR, WORKER, Child, Slot, spawn

_READY_WITHIN_S = 15.0
_GRACE_S = 2.0
_GATEWAY_FIRST_S = 3.0
_LAST_LEAVE_S = 10.0
_HOPELESS_AFTER = 5
_WAIT_S = 3600.0
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the supervisor keeps running. `fill` makes the store that children start from; it is called once, after the first gateways
    were started, and may take its time, as their imports do. `sockets` are by kind of child; a kind without one listens on nothing of ours.

    `boot` is what all children have in common; `node` goes before the names of workers; `keep_fds` are descriptors that every child
    holds too; `commands` says how a child of a kind is started.
    """

    boot: Boot
    node: str
    counts: Mapping[str, int]
    sockets: Mapping[str, socket.socket]
    keep_fds: Sequence[int] = ()
    fill: Callable[[], None] = _nothing
    commands: Mapping[str, Sequence[str]] = field(default_factory=lambda: COMMANDS)


class Supervisor:
    """Runs in one thread until a signal ends it.

    SIGTERM and SIGINT: gateways stop accepting and finish what runs, for at most `drain_s`; then control and worker leave. A second
    one: all are killed. SIGHUP: each gateway gets a successor and leaves once that one serves; the socket is never closed.
    """

    def __init__(self, house: House, report: Callable[..., None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._house = house
        self._report = report
        self._clock = clock
        self._slots = [
            Slot(kind=kind, index=index) for kind in (GATEWAY, CONTROL, WORKER, PROJECTOR) for index in range(house.counts.get(kind, 0))
        ]
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._stops = 0
        self._leaving_last = False
        self._rolling: list[Slot] = []
        self._was_ready = False
        self._all_ready = False
        self._hopeless = False

    def run(self) -> int:
        """The exit status, after the last child is gone: 0 after an orderly end, 1 after a forced one or where nothing could start."""
        wake_reader, wake_writer = socket.socketpair()
        for end in (wake_reader, wake_writer):
            end.setblocking(False)
        self._selector.register(wake_reader, selectors.EVENT_READ)
        before = [(number, signal.signal(number, self._on_signal)) for number in _WATCHED]
        wakeup_before = signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        try:
            self._start_first()
            while not self._finished():
                self._turn(wake_reader)
        finally:
            self._kill_all()
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before:
                signal.signal(number, handler)
            self._selector.close()
            wake_reader.close()
            wake_writer.close()
        return 1 if self._hopeless or self._stops > 1 else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(number)

    def _turn(self, wake: socket.socket) -> None:
        """One wait for something to happen, and everything that follows from it."""
        for key, _ in self._selector.select(self._patience_s()):
            if key.fileobj is wake:
                _empty(wake)
            else:
                self._read_ready(key.fd)
        for number in self._take_signals():
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stop()
            elif number == signal.SIGHUP:
                self._roll()
        self._reap()
        self._act_on_time()
        if self._stops and not self._leaving_last and not self._alive(GATEWAY):
            self._leaving_last = True
            for slot in self._slots:
                for child in slot.children():
                    child.end(self._clock(), _LAST_LEAVE_S)

    def _take_signals(self) -> list[int]:
        taken, self._signals = self._signals, []
        return taken

    @property
    def _ending(self) -> bool:
        return self._stops > 0 or self._hopeless

    def _finished(self) -> bool:
        return self._ending and not any(slot.children() for slot in self._slots)

    def _alive(self, kind: str) -> bool:
        return any(slot.children() for slot in self._slots if slot.kind == kind)

    # Starting

    def _start_first(self) -> None:
        """Gateways start, and wait for the store that is filled meanwhile; the others when the first gateway serves, so that they do
        not take the processor from it. Raises: what `fill` raises."""
        gateways = [slot for slot in self._slots if slot.kind == GATEWAY]
        reader, writer = os.pipe()
        try:
            for slot in gateways:
                self._start(slot, go_fd=reader)
            self._house.fill()
            os.write(writer, b"1" * len(gateways))
        finally:
            os.close(reader)
            os.close(writer)
        for slot in self._slots:
            if slot.kind != GATEWAY:
                slot.start_at = self._clock() + (_GATEWAY_FIRST_S if gateways else 0.0)

    def _start(self, slot: Slot, *, as_successor: bool = False, go_fd: int | None = None) -> None:
        """A new process runs in `slot`, under a name that no living process has."""
        listener = self._house.sockets.get(slot.kind)
        worker = self._free_name(slot.kind)

        def boot(ready_fd: int) -> Boot:
            return replace(
                self._house.boot,
                fd=listener.fileno() if listener is not None else None,
                index=slot.index,
                workers=self._house.counts.get(slot.kind, 1),
                worker=worker,
                ready_fd=ready_fd,
                go_fd=go_fd,
            )

        fds = [*self._house.keep_fds, *([listener.fileno()] if listener is not None else []), *([go_fd] if go_fd is not None else [])]
        child = spawn(self._house.commands[slot.kind], boot, pass_fds=fds, now=self._clock(), worker=worker)
        self._selector.register(child.ready_fd, selectors.EVENT_READ)
        slot.start_at = None
        if as_successor:
            slot.successor = child
        else:
            slot.current = child
        self._report("process.started", kind=slot.kind, index=slot.index, pid=child.pid, worker=worker)

    def _free_name(self, kind: str) -> str:
        """The first name of this kind that no living child has: there are never many more names than places."""
        taken = {child.worker for slot in self._slots for child in slot.children()}
        names = (f"{self._house.node}-{kind}-{number}" for number in itertools.count())
        return next(name for name in names if name not in taken)

    def _read_ready(self, fd: int) -> None:
        for slot in self._slots:
            for child in slot.children():
                if child.ready_fd == fd:
                    said = os.read(fd, 1)
                    self._close_ready(child)
                    if said:
                        self._note_ready(slot, child)
                    return

    def _close_ready(self, child: Child) -> None:
        if child.ready_fd >= 0:
            self._selector.unregister(child.ready_fd)
            os.close(child.ready_fd)
            child.ready_fd = -1

    def _note_ready(self, slot: Slot, child: Child) -> None:
        child.ready = True
        after_ms = round((self._clock() - child.started_at) * 1000)
        self._report("process.ready", kind=slot.kind, index=slot.index, pid=child.pid, after_ms=after_ms)
        if slot.kind == GATEWAY and not self._was_ready:
            self._was_ready = True
            self._report("gateway.ready")
            for other in self._slots:
                if other.kind != GATEWAY and other.start_at is not None:
                    other.start_at = self._clock()
        if slot.successor is child:
            self._hand_over(slot)
        if not self._all_ready and all(other.current is not None and other.current.ready for other in self._slots):
            self._all_ready = True
            self._report("house.ready")

    # Leaving

    def _stop(self) -> None:
        self._stops += 1
        self._rolling.clear()
        now = self._clock()
        if self._stops > 1:
            self._report("house.forced")
            for slot in self._slots:
                for child in slot.children():
                    child.process.kill()
            return
        self._report("house.draining", drain_s=self._house.boot.drain_s)
        for slot in self._slots:
            slot.start_at = None
            if slot.kind == GATEWAY:
                for child in slot.children():
                    child.end(now, self._house.boot.drain_s + _GRACE_S)

    def _reap(self) -> None:
        """Every child that has died is buried, and its place knows what to do next."""
        now = self._clock()
        for slot in self._slots:
            for child in slot.children():
                status = child.process.poll()
                if status is None:
                    continue
                self._close_ready(child)
                expected = child.kill_at is not None or self._ending
                self._report("process.ended", kind=slot.kind, pid=child.pid, worker=child.worker, status=status, expected=expected)
                if child in slot.leaving:
                    slot.leaving.remove(child)
                elif child is slot.successor:
                    slot.successor = None
                    self._abandon_roll(slot)
                elif self._ending:
                    slot.current = None
                else:
                    self._replace(slot, child, now)

    def _replace(self, slot: Slot, child: Child, now: float) -> None:
        """`child`, the current one of `slot`, died by itself: its successor takes over, or another is started in time."""
        slot.note_end(child, now)
        if slot.successor is not None:
            slot.current, slot.successor, slot.start_at = slot.successor, None, None
            self._next_of_roll(slot)
        elif slot.kind == GATEWAY and not self._was_ready and slot.failures >= _HOPELESS_AFTER:
            self._hopeless = True
            self._report("house.hopeless", failures=slot.failures)
            for other in self._slots:
                other.start_at = None
                for alive in other.children():
                    alive.end(now, _GRACE_S)

    def _act_on_time(self) -> None:
        now = self._clock()
        for slot in self._slots:
            if slot.start_at is not None and slot.start_at <= now:
                self._start(slot)
            for child in slot.children():
                if child.kill_at is not None and child.kill_at <= now:
                    self._report("process.killed", kind=slot.kind, index=slot.index, pid=child.pid)
                    child.process.kill()
                    child.kill_at = now + _WAIT_S
            if slot.successor is not None and now - slot.successor.started_at > _READY_WITHIN_S:
                slot.successor.end(now, _GRACE_S)

    def _patience_s(self) -> float:
        """How long nothing needs doing if nothing happens."""
        if self._signals:
            return 0.0
        now = self._clock()
        due = [now + _WAIT_S]
        for slot in self._slots:
            if slot.start_at is not None:
                due.append(slot.start_at)
            due.extend(child.kill_at for child in slot.children() if child.kill_at is not None)
            if slot.successor is not None and slot.successor.kill_at is None:
                due.append(slot.successor.started_at + _READY_WITHIN_S + 0.01)
        return max(min(due) - now, 0.0)

    def _kill_all(self) -> None:
        for slot in self._slots:
            for child in slot.children():
                child.process.kill()
                child.process.wait()
                self._close_ready(child)

    # Rolling restart

    def _roll(self) -> None:
        if self._ending or self._rolling:
            return
        self._rolling = [slot for slot in self._slots if slot.kind == GATEWAY]
        self._report("restart.began", gateways=len(self._rolling))
        if not self._rolling:
            return
        self._start(self._rolling[0], as_successor=True)

    def _hand_over(self, slot: Slot) -> None:
        """The successor serves: the old one drains and the next gateway's turn comes."""
        old, slot.current, slot.successor = slot.current, slot.successor, None
        slot.failures, slot.start_at = 0, None
        if old is not None:
            old.end(self._clock(), self._house.boot.drain_s + _GRACE_S)
            slot.leaving.append(old)
        self._next_of_roll(slot)

    def _next_of_roll(self, slot: Slot) -> None:
        if slot in self._rolling:
            self._rolling.remove(slot)
        if self._rolling:
            self._start(self._rolling[0], as_successor=True)
        else:
            self._report("restart.completed")

    def _abandon_roll(self, slot: Slot) -> None:
        """The successor never served: the old gateways stay, and the restart is off."""
        if self._rolling:
            self._rolling.clear()
            self._report("restart.abandoned", index=slot.index)


def _empty(wake: socket.socket) -> None:
    try:
        while wake.recv(4096):
            continue
    except BlockingIOError:
        return
