"""A vendor's server on a loopback port, in a thread of its own, that remembers what it was sent and can be told to fail."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.vendors.script import Fault


class Vendor:
    """Base of the vendors: subclasses give `routes`, `error(status, message, kind)` and `events(...)`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict, dict]] = []
        self.fault: Fault | None = None
        self.cancelled = 0
        # Requests whose answer is not complete: now, and the most there ever were.
        self.at_once = self.most_at_once = 0
        self.delay_s = 0.0
        self.first_delay_s = 0.0
        app = Starlette(routes=[Route(path, handler, methods=methods) for path, handler, methods in self.routes()])
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        config = uvicorn.Config(self._counted(app), log_level="error", lifespan="off", loop="asyncio", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _counted(self, app):
        async def counted(scope, receive, send):
            over = False

            async def said(message):
                nonlocal over
                # Counted out before the last byte: whoever has that may begin the next request at once.
                if message["type"] == "http.response.body" and not message.get("more_body") and not over:
                    over = True
                    self.at_once -= 1
                await send(message)

            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await app(scope, receive, said)
            finally:
                if not over:
                    self.at_once -= 1

        return counted

    def _run(self) -> None:
        asyncio.run(self.server.serve(sockets=[self.socket]))

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *exc) -> None:
        self.kill()

    def kill(self) -> None:
        """The vendor is gone: connections are refused."""
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)
        self.socket.close()

    def routes(self):
        raise AssertionError("a vendor has routes")

    def error(self, status: int, message: str, kind: str = "", param: str | None = None, headers=None) -> Response:
        raise AssertionError("a vendor has errors")

    async def body(self, request: Request) -> dict:
        raw = await request.body()
        document = json.loads(raw)
        self.seen.append((request.url.path, dict(request.headers), document))
        return document

    def taken(self) -> Fault | None:
        fault = self.fault
        if fault is not None and fault.times > 0:
            fault.times -= 1
            if fault.times == 0:
                self.fault = None
        return fault

    async def before(self, fault: Fault | None, request: Request) -> Response | None:
        """The reply that a fault makes instead of an answer."""
        if self.first_delay_s and await self._left(request, self.first_delay_s):
            return Response(status_code=499)
        if fault is None:
            return None
        if fault.kind == "status":
            headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
            return self.error(fault.status, "scripted failure", headers=headers)
        if fault.kind == "silent":
            await self._left(request, 60)
            return Response(status_code=499)
        if fault.kind == "garbage":
            return Response(b"<html>not what you asked for</html>", media_type="text/html")
        return None

    async def _left(self, request: Request, within_s: float) -> bool:
        """Whether the caller went away meanwhile; a handler that only sleeps is not told."""
        try:
            async with asyncio.timeout(within_s):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        self.cancelled += 1
        return True

    def stream(self, events: list[bytes], fault: Fault | None, error_event: bytes) -> StreamingResponse:
        async def produce():
            try:
                for number, event in enumerate(events):
                    if fault is not None and number == fault.at:
                        if fault.kind == "cut_after":
                            raise ConnectionResetError("scripted cut")
                        if fault.kind == "end_after":
                            return
                        if fault.kind == "stall_after":
                            await asyncio.sleep(60)
                        if fault.kind == "error_after":
                            yield error_event
                            return
                    yield event
                    await asyncio.sleep(self.delay_s)
            except (asyncio.CancelledError, GeneratorExit):
                self.cancelled += 1
                raise

        return StreamingResponse(produce(), media_type="text/event-stream")

    def json(self, document: dict) -> JSONResponse:
        return JSONResponse(document)
