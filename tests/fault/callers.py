"""Many callers at once, who remember exactly what they were told."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

CHAT = "/v1/chat/completions"
PATIENCE_S = 40.0


def said(text: str, *, model: str = "fast", stream: bool = False, **more: object) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream} | more


@dataclass(slots=True)
class Told:
    """What one caller got. `status` 0: nobody answered; `whole`: the message ended as its framing says; times are monotonic."""

    asked: dict
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    failure: str = ""
    refused: bool = False
    began: float = 0.0
    ended: float = 0.0

    @property
    def trace_id(self) -> str:
        return self.headers.get("x-ninefold-trace-id", "")

    @property
    def worker(self) -> str:
        """The worker that answered: the request's id without its epoch and number."""
        return self.headers.get("x-request-id", "").rsplit("-", 2)[0]

    @property
    def error(self) -> dict:
        """The error in a refusal or in a stream's last event, {} where there is none."""
        if not self.asked.get("stream") or self.status != 200:
            return (json.loads(self.body).get("error") or {}) if self.whole else {}
        return next((event["error"] for event in self.events if event.get("error")), {})

    @property
    def events(self) -> list[dict]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ") and line != "data: [DONE]"]

    @property
    def extra(self) -> dict | None:
        """The `ninefold` member of a complete answer."""
        if self.status != 200 or not self.whole:
            return None
        if not self.asked.get("stream"):
            return json.loads(self.body)["ninefold"]
        if not self.body.endswith(b"data: [DONE]\n\n"):
            return None
        return next(event["ninefold"] for event in reversed(self.events) if "ninefold" in event)

    @property
    def cost_nanos(self) -> int:
        assert self.extra is not None
        return round(self.extra["cost_usd"] * 1_000_000_000)


async def ask(port: int, key: str, asked: dict, *, path: str = CHAT, after_s: float = 0.0) -> Told:
    """One request on a connection of its own."""
    await asyncio.sleep(after_s)
    told = Told(asked, began=time.monotonic())
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                told.refused = True
                raise
            await _exchange(reader, writer, key, path, told)
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
        told.failure = type(error).__name__
    finally:
        told.ended = time.monotonic()
        if writer is not None:
            writer.close()
    return told


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, path: str, told: Told) -> None:
    body = json.dumps(told.asked).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: ninefold\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    told.status = int(lines[0].split(" ")[1])
    told.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
    if "content-length" in told.headers:
        told.body = await reader.readexactly(int(told.headers["content-length"]))
    else:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            told.body += (await reader.readexactly(size + 2))[:-2]
    told.whole = True


class Crowd:
    """Callers on a thread of their own, so that a test can do harm meanwhile; leave the block to wait for all of them."""

    def __init__(self, port: int, asked: Iterable[tuple[str, dict, float]]) -> None:
        """`asked` are (key, body, seconds after which it is sent)."""
        self.told: list[Told] = []
        self._port = port
        self._asked = list(asked)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join()

    async def _run(self) -> None:
        self.told = await asyncio.gather(*(ask(self._port, key, body, after_s=after) for key, body, after in self._asked))


class Load:
    """So many callers who ask again and again until the block is left; `told` has everything that they heard."""

    def __init__(self, port: int, key: str, asked: Iterable[dict], *, path: str = CHAT) -> None:
        self.told: list[Told] = []
        self._port, self._key, self._path = port, key, path
        self._asked = list(asked)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._again(body) for body in self._asked))

    async def _again(self, body: dict) -> None:
        while not self._stop.is_set():
            told = await ask(self._port, self._key, body, path=self._path)
            self.told.append(told)
            await asyncio.sleep(0.02 if told.status == 200 else 0.1)
