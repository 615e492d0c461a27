"""An OpenAI-shaped upstream on one core, far quicker than what it serves: epoll and prepared bytes, no framework.

`python mock_upstream.py PORT`

* `POST …/chat/completions` answers 1.1 KB of JSON; with `"stream": true` 50 chunks, a usage chunk and `[DONE]`, one write an event.
* `POST /mock/pace/N` sets the pause between two events of a stream to N µs (0: one event a connection in each turn of the loop).
* `GET` of anything answers 200.
"""

from __future__ import annotations

import gc
import heapq
import select
import socket
import sys
import time

CHUNKS = 50
EVENTS = CHUNKS + 2
_RECEIVE_BYTES = 65536

_TEXT = "The harbour lights come on one by one, and the last ferry leaves without a sound. " * 9
_REPLY_BODY = (
    '{"id":"chatcmpl-mock0001","object":"chat.completion","created":1700000000,"model":"mock-1","choices":[{"index":0,'
    f'"message":{{"role":"assistant","content":"{_TEXT}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],'
    '"usage":{"prompt_tokens":57,"completion_tokens":141,"total_tokens":198,"prompt_tokens_details":{"cached_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_mock"}'
).encode()
_HEAD = '{"id":"chatcmpl-mock0001","object":"chat.completion.chunk","created":1700000000,"model":"mock-1","system_fingerprint":"fp_mock",'


def _whole(body: bytes, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nx-request-id: mock\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _chunk(data: str) -> bytes:
    return f"{len(data):x}\r\n{data}\r\n".encode()


REPLY = _whole(_REPLY_BODY)
_OK = _whole(b'{"ok":true}')
_CONTENT = _chunk(
    f'data: {_HEAD}"choices":[{{"index":0,"delta":{{"content":" token"}},"logprobs":null,"finish_reason":null}}],"usage":null}}\n\n'
)
_FINISH = _chunk(f'data: {_HEAD}"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}],"usage":null}}\n\n')
_USAGE = _chunk(
    f'data: {_HEAD}"choices":[],"usage":{{"prompt_tokens":57,"completion_tokens":50,"total_tokens":107,'
    '"prompt_tokens_details":{"cached_tokens":0}}}\n\n'
)
_STREAM_START = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
# What is written at each step: the head travels with the first event, the end of the body with [DONE].
STEPS = (_STREAM_START + _CONTENT, *[_CONTENT] * (CHUNKS - 2), _FINISH, _USAGE, _chunk("data: [DONE]\n\n") + b"0\r\n\r\n")


class _Connection:
    __slots__ = ("received", "sock", "step")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.step = -1

    def __lt__(self, other: _Connection) -> bool:
        return id(self) < id(other)


def request_end(data: bytes) -> int:
    """Where the first request in `data` ends; 0 while it is incomplete."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    lines = data[:head].lower()
    at = lines.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = lines.find(b"\r", at + 2)
        end = head + 4 + int(lines[at + 17 : stop if stop > 0 else None])
        return end if len(data) >= end else 0
    if b"\r\ntransfer-encoding: chunked" in lines:
        last = data.find(b"\r\n0\r\n\r\n", head)
        return 0 if last < 0 else last + 7
    return head + 4


class Mock:
    """The upstream: `serve` runs until the process is ended."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=2048)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._pace_s = 0.0
        self._turn: list[_Connection] = []  # streams without a pause between events
        self._due: list[tuple[float, _Connection]] = []  # streams with one, by the time of their next event

    def serve(self) -> None:
        epoll, listener = self._epoll, self._listener.fileno()
        clock, poll_fds = time.monotonic, [epoll.fileno()]
        while True:
            if self._turn:
                ready = epoll.poll(0)
            elif self._due:
                # epoll waits in whole milliseconds; select on the epoll descriptor waits in microseconds.
                select.select(poll_fds, (), (), max(self._due[0][0] - clock(), 0))
                ready = epoll.poll(0)
            else:
                ready = epoll.poll(-1)
            for fd, _ in ready:
                if fd == listener:
                    self._accept()
                else:
                    self._readable(self._connections[fd])
            if self._turn:
                self._turn = [each for each in self._turn if self._advance(each)]
            now = clock()
            while self._due and self._due[0][0] <= now:
                due, connection = heapq.heappop(self._due)
                if self._advance(connection):
                    heapq.heappush(self._due, (due + self._pace_s, connection))

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[sock.fileno()] = _Connection(sock)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _close(self, connection: _Connection) -> None:
        fd = connection.sock.fileno()
        if fd >= 0:
            del self._connections[fd]
            connection.sock.close()

    def _readable(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._close(connection)
            return
        if connection.received:
            data = connection.received + data
        while data and connection.step < 0:
            end = request_end(data)
            if not end:
                break
            self._answer(connection, data[:end])
            data = data[end:]
        connection.received = data

    def _answer(self, connection: _Connection, request: bytes) -> None:
        if request.startswith(b"POST /mock/pace/"):
            self._pace_s = int(request[16 : request.find(b" ", 16)]) / 1e6
            self._send(connection, _OK)
        elif request.startswith(b"GET "):
            self._send(connection, _OK)
        elif b'"stream":true' in request or b'"stream": true' in request:
            connection.step = 0
            if self._pace_s:
                heapq.heappush(self._due, (time.monotonic(), connection))
            else:
                self._turn.append(connection)
        else:
            self._send(connection, REPLY)

    def _advance(self, connection: _Connection) -> bool:
        """The next event is written; False once the stream is over."""
        if connection.sock.fileno() < 0 or not self._send(connection, STEPS[connection.step]):
            return False
        connection.step += 1
        if connection.step < len(STEPS):
            return True
        connection.step = -1
        return False

    def _send(self, connection: _Connection, data: bytes) -> bool:
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            self._close(connection)
            return False
        if sent == len(data):
            return True
        # A reader this slow is outside what is measured: cut it, so that it shows as a torn stream and not as a wrong figure.
        self._close(connection)
        return False


if __name__ == "__main__":
    gc.disable()
    Mock(int(sys.argv[1])).serve()
