# It stands in for sockets inside the client's own pool.
# pyright: reportPrivateUsage=false
"""A gateway worker inside this process: its real wiring, with fakes in the places of the two sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ninefold.adapters.http1 import pool as pool_module
from ninefold.adapters.http1.connection import Connection as UpstreamConnection
from ninefold.adapters.http1.server_connection import Connection as ServerConnection
from ninefold.adapters.http1.server_state import ServerLimits, ServerState
from ninefold.app.logging import Log
from ninefold.app.process_house import prepare
from ninefold.app.wiring import GatewayWiring, wire_gateway
from ninefold.ports.http_client import Origin
from rig import house, windows
from rig.mock_upstream import REPLY, STEPS
from rig.targets import KEY, MODEL, PATH

UPSTREAM_PORT = 9


class FakeTransport(asyncio.Transport):
    """Takes what is written and tells `wrote`."""

    def __init__(self, wrote: Callable[[bytes], None]) -> None:
        super().__init__()
        self.wrote = wrote

    def write(self, data: Any) -> None:
        self.wrote(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: Any, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


def request(*, stream: bool) -> bytes:
    """The bytes of one request as the load generator sends it."""
    body = windows.bodies(MODEL)[int(stream)].encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\nAccept: */*\r\nUser-Agent: ninefold-bench\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Inside:
    """The wiring, and connections on both of its sides that are no sockets."""

    def __init__(self, wiring: GatewayWiring, meter: asyncio.Task[None]) -> None:
        self._meter = meter
        pool_module._TRUSTED_FOR_S = float("inf")  # a connection that rested is asked for its socket, and these have none
        self.wiring = wiring
        self.loop = asyncio.get_running_loop()
        plane = wiring.data_plane
        self.state = ServerState(plane.handle, plane.stray_error, ServerLimits(), self.loop)

    async def lease_for_ever(self) -> None:
        """The meter has all that it will need, and asks its store for nothing more."""
        self._meter.cancel()
        await asyncio.wait([self._meter])
        meter = self.wiring.meter
        meter._usable_until = float("inf")
        for one in meter._slices.values():
            one.free += 1 << 60

    def add_upstream(self) -> None:
        """One more idle connection to the deployment, which answers in the next turn of the loop."""
        client = self.wiring.client
        origin = Origin(host="127.0.0.1", port=UPSTREAM_PORT)
        pool = client._pools.get(origin) or client._pool_for(origin, self.loop)
        connection = UpstreamConnection(pool, 3600.0)

        def answer(data: bytes) -> None:
            if b'"stream":true' in data:
                self._stream(connection, 0)
            else:
                self.loop.call_soon(connection.data_received, REPLY)

        connection.connection_made(FakeTransport(answer))
        connection.adopted = True
        pool._connections.add(connection)
        pool._room_taken += 1
        pool.released(connection)

    def _stream(self, connection: UpstreamConnection, step: int) -> None:
        def event() -> None:
            connection.data_received(STEPS[step])
            if step + 1 < len(STEPS):
                self._stream(connection, step + 1)

        self.loop.call_soon(event)

    async def requests(self, count: int, *, at_once: int, stream: bool) -> None:
        """`count` requests were answered, `at_once` of them in flight."""
        done = self.loop.create_future()
        left = [count, count]  # to be asked, to be answered
        data = request(stream=stream)
        last = b"0\r\n\r\n"

        def client() -> None:
            def ask() -> None:
                left[0] -= 1
                connection.data_received(data)

            def wrote(answer: bytes) -> None:
                if stream and not answer.endswith(last):
                    return
                if not stream and not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"not answered: {answer[:500]!r}")
                left[1] -= 1
                if left[0] > 0:
                    self.loop.call_soon(ask)
                elif left[1] == 0:
                    done.set_result(None)

            connection = ServerConnection(self.state)
            connection.connection_made(FakeTransport(wrote))
            self.loop.call_soon(ask)

        for _ in range(at_once):
            client()
        await done
        self.state.connections.clear()


@contextlib.asynccontextmanager
async def inside(folder: Path, connections: int = 16) -> AsyncGenerator[Inside]:
    """A worker over a fresh house in `folder`; its meter and its events run."""
    os.environ |= {
        "BENCH_KEY": KEY,
        "BENCH_UPSTREAM_KEY": "sk-upstream",
        "NINEFOLD__SERVER__PORT": "0",
        "NINEFOLD__SERVER__CONTROL_PORT": "0",
    }
    house.write_config(folder, UPSTREAM_PORT)
    # `prepare` runs loops of its own.
    prepared = await asyncio.to_thread(
        prepare, folder / "ninefold.yaml", os.environ, {}, ("gateway", "control"), log_level="error", report=lambda *_, **__: None
    )
    await asyncio.to_thread(prepared.house.fill)
    wiring = await wire_gateway(replace(prepared.house.boot, worker="bench-gateway-0"), os.environ, Log(process="bench", level="error"))
    meter = asyncio.create_task(wiring.meter.run())
    try:
        made = Inside(wiring, meter)
        for _ in range(connections):
            made.add_upstream()
        await made.requests(50, at_once=1, stream=False)
        yield made
    finally:
        meter.cancel()
        wiring.client._pools.clear()
        await wiring.close()
        prepared.lock.release()
