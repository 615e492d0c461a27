"""Thousands of streams through one worker: memory is bounded and flat, nobody pays for a neighbour, and the vendor feels the brake."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform
from tests.vendors.fountain import Fountain

STREAMS = 2_000
EVENTS = 24
CONFIG = """
deployments:
  - name: fountain
    provider: openai
    base_url: http://127.0.0.1:{port}/v1
    model: m
    price: {{input_per_million: 1, output_per_million: 1}}
models:
  - {{name: flow, route: {{deployments: [fountain]}}, timeouts: {{first_token_s: 60, idle_s: 60, total_s: 300}}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [flow]
"""


@pytest.fixture
def flowing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, max(soft, 3 * STREAMS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    assert wanted >= 2 * STREAMS + 100, "too few file descriptors are allowed here for this many connections"
    with Fountain() as fountain, Platform(tmp_path, CONFIG.format(port=fountain.port), env=SECRETS) as platform:
        yield fountain, platform
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


class Reader:
    """One caller who takes `bite` bytes every `every_s` seconds."""

    def __init__(self, port: int, text: str, *, bite: int = 65_536, every_s: float = 0.0) -> None:
        self._port, self._bite, self._every_s = port, bite, every_s
        self._body = json.dumps({"model": "flow", "stream": True, "messages": [{"role": "user", "content": text}]}).encode()
        self.got = bytearray()

    async def open(self) -> None:
        # A small window of its own, so that what it does not take stays with the gateway.
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=4096)
        self._writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
            % (KEY.encode(), len(self._body), self._body)
        )
        self.got += await self._reader.readuntil(b"\r\n\r\n")
        assert self.got.startswith(b"HTTP/1.1 200"), self.got

    async def finish(self) -> int:
        """How many events came; the answer was complete."""
        while b"data: [DONE]" not in self.got[-400:]:
            data = await self._reader.read(self._bite)
            assert data, "the stream ended too early"
            self.got += data
            if self._every_s:
                await asyncio.sleep(self._every_s)
        self.close()
        return self.got.count(b'"content":')

    def close(self) -> None:
        self._writer.close()


async def opened(readers: list[Reader]) -> None:
    for begin in range(0, len(readers), 100):
        await asyncio.gather(*(each.open() for each in readers[begin : begin + 100]))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_thousand_streams_with_slow_readers_leave_memory_flat(flowing):
    fountain, platform = flowing
    worker = platform.children()["gateway_process"]
    samples: list[float] = []

    async def sampled() -> None:
        while True:
            samples.append(resident_mb(worker))
            await asyncio.sleep(0.5)

    async def run() -> list[int]:
        readers = [Reader(platform.port, f"flow {EVENTS} 200 0.6", bite=300, every_s=0.02) for _ in range(STREAMS)]
        await opened(readers)
        at_once = urllib.request.urlopen(f"http://127.0.0.1:{fountain.port}/accepted", timeout=10)
        with at_once:
            assert len(json.loads(at_once.read())) == STREAMS
        sampling = asyncio.create_task(sampled())
        counts = await asyncio.gather(*(each.finish() for each in readers))
        sampling.cancel()
        return counts

    idle = resident_mb(worker)
    counts = asyncio.run(run())
    assert set(counts) == {EVENTS}
    half = samples[len(samples) // 2 :]
    assert len(half) >= 4
    # 80 kB a stream at most, the pooled buffers of both its connections included; and flat while they run.
    assert max(samples) - idle < STREAMS * 0.08, (idle, samples)
    assert max(half) - min(half) < 12, samples


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_caller_who_reads_nothing_brakes_its_vendor_and_harms_nobody(flowing):
    fountain, platform = flowing
    worker = platform.children()["gateway_process"]

    async def run() -> tuple[list[int], int, float]:
        before = resident_mb(worker)
        deaf = [Reader(platform.port, "flow 200000 2000 0") for _ in range(5)]
        await opened(deaf)
        others = [Reader(platform.port, "flow 50 100 0.02") for _ in range(100)]
        await opened(others)
        counts = await asyncio.gather(*(each.finish() for each in others))
        with urllib.request.urlopen(f"http://127.0.0.1:{fountain.port}/accepted", timeout=10) as reply:
            taken = json.loads(reply.read())
        after = resident_mb(worker)
        for each in deaf:
            each.close()
        return counts, max(taken), after - before

    counts, taken, grown = asyncio.run(run())
    assert set(counts) == {50}
    # 400 MB wanted to come for each of the five: what came is what the sockets on the way hold.
    assert taken < 16_000_000, taken
    assert grown < 40, grown


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_vendor_is_left_at_once_when_callers_leave(flowing):
    fountain, platform = flowing

    def open_there() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{fountain.port}/accepted", timeout=10) as reply:
            return len(json.loads(reply.read()))

    async def run() -> int:
        readers = [Reader(platform.port, "flow 2000 50 0.1") for _ in range(200)]
        await opened(readers)
        assert await asyncio.to_thread(open_there) == 200
        for each in readers:
            each.close()
        for _ in range(100):
            if not await asyncio.to_thread(open_there):
                return 0
            await asyncio.sleep(0.1)
        return open_there()

    assert asyncio.run(run()) == 0
