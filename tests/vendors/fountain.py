"""A vendor in a process of its own whose streams are as long and as fast as the last user text says, and that knows how much it got rid of.

`flow EVENTS BYTES EVERY_S`: so many events, each with so many letters, one every so many seconds (0: as fast as it is let).
`GET /accepted`: bytes taken from it by each connection that is still open, the largest first.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(letters: int, number: int) -> bytes:
    text = f"{number} ".ljust(letters, "x")
    body = json.dumps(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        }
    )
    return f"data: {body}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def ending(events: int) -> bytes:
    finish = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    usage = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": events},
    }
    return chunk(f"data: {json.dumps(finish)}\n\ndata: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode()) + b"0\r\n\r\n"


class Source:
    """The server's side."""

    def __init__(self) -> None:
        self.accepted: dict[int, int] = {}
        self.served = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    said = json.dumps(sorted(self.accepted.values(), reverse=True)).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
                else:
                    await self._flow(writer, json.loads(body)["messages"][-1]["content"].split())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.accepted.pop(id(writer), None)
            writer.close()

    async def _flow(self, writer: asyncio.StreamWriter, words: list[str]) -> None:
        events, letters, every_s = int(words[1]), int(words[2]), float(words[3])
        writer.transport.set_write_buffer_limits(high=64 * 1024)
        # A fixed buffer: the kernel's own would grow to megabytes, and what it swallows says nothing about the gateway.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.write(HEAD)
        self.accepted[id(writer)] = 0
        for number in range(events):
            data = chunk(event(letters, number))
            writer.write(data)
            await writer.drain()
            self.accepted[id(writer)] += len(data)
            if every_s:
                await asyncio.sleep(every_s)
        writer.write(ending(events))
        await writer.drain()
        self.accepted.pop(id(writer), None)


class Fountain:
    """The process, and its port."""

    def __enter__(self) -> Self:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen([sys.executable, "-m", "tests.vendors.fountain"], stdout=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


async def main() -> None:
    server = await asyncio.start_server(Source().serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
