"""Load on one address from one process: `python load.py SPEC`, SPEC being the JSON of `Spec`; the last line printed is the result.

Closed loop (rate 0): every connection asks again as soon as it has its answer. Open loop: requests leave at fixed moments whatever
the answers do, and latency counts from that moment, so that a server that stalls is charged for the queue behind it.
Every stream is checked: `torn` had another number of events than expected or no `[DONE]` at its end, `stuck` never ended.

A line `start` marks the beginning of the window that counts and `{"done": …}` each half second, for whoever samples processes.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field

_RECEIVE_BYTES = 65536
_GRACE_S = 10.0


@dataclass(slots=True, kw_only=True)
class Spec:
    """What to ask, how often and for how long. `stream_every`: 0 only JSON, 1 only streams, n every n-th a stream; `expect` is the
    number of `data:` lines of a whole stream, 0 for any; `total` ends a closed loop after so many answers instead of `seconds`."""

    port: int
    path: str
    body: str
    stream_body: str = ""
    headers: list[list[str]] = field(default_factory=list)
    connections: int = 64
    seconds: float = 3.0
    warm_s: float = 1.0
    rate: float = 0.0
    stream_every: int = 0
    expect: int = 0
    total: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class _Connection:
    __slots__ = ("buffer", "busy", "close", "done", "events", "first", "left", "payload", "sock", "state", "status", "stream", "t0")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.busy = False
        self.state = 0

    def reset(self, t0: float, *, stream: bool) -> None:
        self.busy, self.t0, self.stream = True, t0, stream
        self.state = 0  # 0 head, 1 body by length, 2 chunks, 3 until close
        self.buffer = b""
        self.payload = b""
        self.left = self.events = self.status = 0
        self.first = 0.0
        self.close = self.done = False


class Load:
    """One run; `run` returns the result."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._epoll = select.epoll()
        self._by_fd: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque(_Connection() for _ in range(spec.connections))
        self._backlog: deque[float] = deque()
        self._json = self._request(spec.body)
        self._stream = self._request(spec.stream_body or spec.body)
        self._asked = self._finished = self.done = self.events = 0
        self.errors = self.torn = self.broken = 0
        self.first_error = ""
        self._latencies: list[float] = []
        self._firsts: list[float] = []
        self._counting = self._timing = False

    def _request(self, body: str) -> bytes:
        spec, data = self.spec, body.encode()
        lines = "".join(f"{name}: {value}\r\n" for name, value in spec.headers)
        return (
            f"POST {spec.path} HTTP/1.1\r\nHost: 127.0.0.1:{spec.port}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
            f"User-Agent: ninefold-bench\r\n{lines}Content-Length: {len(data)}\r\n\r\n"
        ).encode() + data

    def run(self) -> dict[str, object]:
        spec, clock = self.spec, time.perf_counter
        epoll, poll_fds, by_fd = self._epoll, [self._epoll.fileno()], self._by_fd
        began = clock()
        starts, step, due = began + spec.warm_s, (1 / spec.rate if spec.rate else 0.0), began
        ends = float("inf") if spec.total else starts + spec.seconds
        tell = began + 0.5
        while self._idle and not spec.rate:
            self._ask(self._idle.popleft(), clock())
        now = clock()
        while now < ends and not (spec.total and self._finished >= spec.total):
            if step:
                select.select(poll_fds, (), (), max(min(due, ends) - now, 0))
                ready = epoll.poll(0)
            else:
                ready = epoll.poll(0.1)
            now = clock()
            if not self._counting and now >= starts:
                self._counting = self._timing = True
                starts = now
                print("start", flush=True)
            if now >= tell:
                tell += 0.5
                if spec.total:
                    print(json.dumps({"done": self._finished}), flush=True)
            for fd, _ in ready:
                connection = by_fd.get(fd)
                if connection is not None:
                    self._readable(connection)
                    if not connection.busy and not step:
                        self._ask(connection, clock())
            if step:
                while due <= now:
                    if self._idle:
                        self._ask(self._idle.popleft(), due)
                    else:
                        self._backlog.append(due)
                    due += step
        counted_s = now - starts
        self._counting = False
        # In an open loop the slowest answers of the window are those that come after it.
        self._timing = bool(step)
        done, events, unsent = self.done, self.events, len(self._backlog)
        print("end", flush=True)
        return self._result(counted_s, done, events, self._drain(), unsent)

    def _drain(self) -> int:
        """How many answers under way did not end within the grace."""
        until = time.perf_counter() + _GRACE_S
        self._backlog.clear()
        busy = [each for each in self._by_fd.values() if each.busy]
        while busy and time.perf_counter() < until:
            for fd, _ in self._epoll.poll(0.1):
                connection = self._by_fd.get(fd)
                if connection is not None:
                    self._readable(connection)
            busy = [each for each in self._by_fd.values() if each.busy]
        return len(busy)

    def _result(self, counted_s: float, done: int, events: int, stuck: int, unsent: int) -> dict[str, object]:
        def at(values: list[float], share: float) -> float:
            return round(values[int(share * (len(values) - 1))] * 1e6, 1) if values else 0.0

        self._latencies.sort()
        self._firsts.sort()
        times = time.process_time()
        return {
            "counted_s": round(counted_s, 4),
            "done": done,
            "events": events,
            "rps": round(done / counted_s, 1),
            "events_s": round(events / counted_s, 1),
            "errors": self.errors,
            "first_error": self.first_error,
            "broken": self.broken,
            "torn": self.torn,
            "stuck": stuck,
            "unsent": unsent,
            "p50_us": at(self._latencies, 0.5),
            "p90_us": at(self._latencies, 0.9),
            "p99_us": at(self._latencies, 0.99),
            "p999_us": at(self._latencies, 0.999),
            "first_p50_us": at(self._firsts, 0.5),
            "first_p99_us": at(self._firsts, 0.99),
            "load_cpu_s": round(times, 2),
        }

    def _ask(self, connection: _Connection, t0: float) -> None:
        every = self.spec.stream_every
        self._asked += 1
        stream = every > 0 and self._asked % every == 0
        connection.reset(t0, stream=stream)
        sock = connection.sock or self._dial(connection)
        request = self._stream if stream else self._json
        try:
            sent = sock.send(request)
        except ConnectionError:
            # A server may close a connection that is idle; a fresh one must take the request.
            self._hang_up(connection)
            sent = self._dial(connection).send(request)
        if sent != len(request):
            raise SystemExit("a request did not fit into the socket's buffer")

    def _dial(self, connection: _Connection) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.spec.port), timeout=5)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock = sock
        self._by_fd[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def _hang_up(self, connection: _Connection) -> None:
        if connection.sock is not None:
            del self._by_fd[connection.sock.fileno()]
            connection.sock.close()
            connection.sock = None

    def _readable(self, connection: _Connection) -> None:
        assert connection.sock is not None
        try:
            data = connection.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data and connection.busy:
            self._take(connection, data)
            if connection.done:
                self._finish(connection)
        elif not data:
            self._hang_up(connection)
            if connection.busy:
                if connection.state == 3:
                    self._finish(connection)
                else:
                    self.broken += 1
                    self._free(connection)

    def _take(self, connection: _Connection, data: bytes) -> None:
        if connection.state == 0:
            data = connection.buffer + data if connection.buffer else data
            head = data.find(b"\r\n\r\n")
            if head < 0:
                connection.buffer = data
                return
            connection.buffer = b""
            self._head(connection, data[:head].lower() + b"\r\n")
            data = data[head + 4 :]
            if connection.status != 200 and not self.first_error:
                self.first_error = f"{connection.status} {data[:300].decode(errors='replace')}"
        if connection.first == 0.0 and data:
            connection.first = time.perf_counter()
        if connection.state == 1:
            connection.left -= len(data)
            if connection.stream:
                self._count(connection, data)
            connection.done = connection.left <= 0
        elif connection.state == 2:
            self._chunks(connection, data)
        else:
            self._count(connection, data)

    def _head(self, connection: _Connection, lines: bytes) -> None:
        connection.status = int(lines[9:12])
        connection.close = b"\r\nconnection: close" in lines
        at = lines.find(b"\r\ncontent-length:")
        if at >= 0:
            connection.left = int(lines[at + 17 : lines.find(b"\r", at + 2)])
            connection.state = 1
        elif b"\r\ntransfer-encoding: chunked" in lines:
            connection.state = 2
        else:
            connection.state = 3

    def _chunks(self, connection: _Connection, data: bytes) -> None:
        """Payloads out of chunked coding: `left` counts what is missing of the chunk under way, its CRLF included."""
        if connection.buffer:
            data = connection.buffer + data
            connection.buffer = b""
        at, size = 0, len(data)
        while at < size:
            if connection.left > 0:
                take = min(connection.left, size - at)
                payload_end = at + take - max(0, 2 - (connection.left - take))
                self._count(connection, data[at:payload_end] if payload_end > at else b"")
                connection.left -= take
                at += take
                continue
            stop = data.find(b"\r\n", at)
            if stop < 0:
                connection.buffer = data[at:]
                return
            length = int(data[at:stop].split(b";", 1)[0], 16)
            if length == 0:
                if data.endswith(b"\r\n\r\n"):
                    connection.done = True
                else:
                    connection.buffer = data[at:]
                return
            connection.left = length + 2
            at = stop + 2

    def _count(self, connection: _Connection, payload: bytes) -> None:
        """Lines that begin with `data:`; a line may be cut anywhere between two payloads."""
        joined = connection.payload + payload
        found = joined.count(b"data:")
        connection.events += found
        if self._counting:
            self.events += found
        # Keep what might be the beginning of the next marker, never a whole one.
        tail = joined[-20:]
        last = tail.rfind(b"data:")
        connection.payload = tail if last < 0 else tail[last + 5 :]

    def _finish(self, connection: _Connection) -> None:
        now = time.perf_counter()
        self._finished += 1
        if connection.status != 200:
            self.errors += 1
        elif connection.stream and (
            (self.spec.expect and connection.events != self.spec.expect) or b"[DONE]" not in connection.payload or not connection.events
        ):
            self.torn += 1
        if self._counting:
            self.done += 1
        if self._timing:
            self._latencies.append(now - connection.t0)
            self._firsts.append((connection.first or now) - connection.t0)
        if connection.close:
            self._hang_up(connection)
        self._free(connection)

    def _free(self, connection: _Connection) -> None:
        connection.busy = False
        if self.spec.rate:
            if self._backlog:
                self._ask(connection, self._backlog.popleft())
            else:
                self._idle.append(connection)


if __name__ == "__main__":
    gc.disable()
    print(json.dumps(Load(Spec(**json.loads(sys.argv[1]))).run()), flush=True)
