"""A vendor of sixty words without any HTTP library, so that it can break every rule of its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

WORDS = tuple(f"word{number:02d}" for number in range(60))
TEXT = " ".join(WORDS)
USAGE = {"prompt_tokens": 7, "completion_tokens": 60, "total_tokens": 67}


@dataclass(frozen=True, slots=True)
class Act:
    """What one attempt meets. `kind`: well, status, reset, silent, late (head at once, first token after `after_s`), cut, stall,
    rubbish, no_done (the body ends), open_end (nothing ends at all); `at` is the word at which it happens."""

    kind: str = "well"
    status: int = 0
    code: str = ""
    retry_after: str = ""
    at: int = 0
    after_s: float = 0.0


WELL = Act()


@dataclass(slots=True)
class Seen:
    """One attempt as the vendor saw it; `left_at` is when its caller hung up before the end."""

    at: float
    body: dict
    left_at: float = 0.0


@dataclass(slots=True)
class Part:
    """One deployment of the vendor: its acts in order, the last again and again; and whether it refuses an assistant's half sentence."""

    acts: list[Act]
    prefill: bool = True
    seen: list[Seen] = field(default_factory=list)

    def next_act(self) -> Act:
        return self.acts[min(len(self.seen), len(self.acts)) - 1]


class RawVendor:
    """OpenAI's chat completions below `/<part>/v1`, on a thread of its own."""

    def __init__(self, pace_s: float = 0.0005) -> None:
        self.parts: dict[str, Part] = {}
        self._pace_s = pace_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await self._talk(reader, writer)
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, sock=self._socket)
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        while tasks:
            await asyncio.sleep(0.001)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            body = json.loads(await reader.readexactly(length))
            part = self.parts[head.split(" ")[1].split("/")[1]]
            seen = Seen(time.monotonic(), body)
            part.seen.append(seen)
            act = part.next_act()
            if not part.prefill and body["messages"][-1]["role"] == "assistant":
                act = Act("status", status=400, code="prefill_not_supported")
            left = asyncio.ensure_future(_left(reader, seen))
            try:
                await _Reply(writer, body, self._pace_s, left).play(act)
            finally:
                left.cancel()
                await asyncio.wait([left])


async def _left(reader: asyncio.StreamReader, seen: Seen) -> None:
    """Notes when the caller goes; it sends nothing while it waits."""
    with contextlib.suppress(ConnectionError):
        assert not await reader.read(1)
    seen.left_at = time.monotonic()


class _Reply:
    def __init__(self, writer: asyncio.StreamWriter, body: dict, pace_s: float, left: asyncio.Future[None]) -> None:
        self._writer = writer
        self._body = body
        self._pace_s = pace_s
        self._left = left

    async def play(self, act: Act) -> None:
        if act.kind == "reset":
            self._reset()
        elif act.kind == "silent":
            await self._left
            raise ConnectionResetError
        elif act.kind == "status":
            kind = "invalid_request_error" if act.status == 400 else "server_error"
            error = {"error": {"message": f"scripted {act.status} {act.code}", "type": kind, "code": act.code or None, "param": None}}
            more = f"retry-after: {act.retry_after}\r\n" if act.retry_after else ""
            self._whole(act.status, error, more)
        elif self._body.get("stream"):
            await self._stream(act)
        else:
            message = {"role": "assistant", "content": TEXT}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            model = self._body["model"]
            self._whole(200, {"id": "c-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": USAGE})
        await self._writer.drain()

    def _whole(self, status: int, document: dict, more: str = "") -> None:
        data = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n{more}content-length: {len(data)}\r\n\r\n"
        self._writer.write(head.encode() + data)

    def _reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise ConnectionResetError

    async def _stream(self, act: Act) -> None:
        self._writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        if act.kind == "late":
            await asyncio.wait([self._left], timeout=act.after_s)
        self._event({"role": "assistant", "content": ""})
        for number, word in enumerate(WORDS):
            if number == act.at and act.kind == "cut":
                self._reset()
            if number == act.at and act.kind == "stall":
                await self._left
                raise ConnectionResetError
            if number == act.at and act.kind == "rubbish":
                self._chunk(b'data: {"id":"c-1","choices":[{"index":0,"delta":{"content":"brok\n\n')
            self._event({"content": word if number == 0 else " " + word})
            await self._writer.drain()
            await asyncio.sleep(self._pace_s)
        self._event({}, "stop")
        if (self._body.get("stream_options") or {}).get("include_usage"):
            self._chunk(b"data: " + json.dumps(self._document([]) | {"usage": USAGE}).encode() + b"\n\n")
        if act.kind == "open_end":
            await self._left
            raise ConnectionResetError
        if act.kind != "no_done":
            self._chunk(b"data: [DONE]\n\n")
        self._writer.write(b"0\r\n\r\n")

    def _document(self, choices: list[dict]) -> dict:
        return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": self._body["model"], "choices": choices}

    def _event(self, delta: dict, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self._chunk(b"data: " + json.dumps(self._document([choice]), separators=(",", ":")).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def waited(true: Callable[[], bool], patience_s: float = 5.0) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def gaps(part: Part) -> Iterator[float]:
    """Seconds between one attempt and the next."""
    for one, other in zip(part.seen, part.seen[1:], strict=False):
        yield other.at - one.at
