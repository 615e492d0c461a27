"""The outermost layer of the control plane: a trace id for every exchange, a bound for every body, one face for every defect."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ninefold.domain.errors import Internal
from ninefold.domain.trace import parse_traceparent

MAX_BODY_BYTES = 1024 * 1024
_BODY_WITHIN_S = 10.0


class Boundary:
    """Wraps the application. `report(event, **fields)` gets what callers must not see: the exception behind an opaque 500."""

    def __init__(self, app: ASGIApp, report: Callable[..., None]) -> None:
        self._app = app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one exchange; what is not HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        parent = parse_traceparent(headers.get(b"traceparent", ""))
        trace_id = parent[0] if parent else secrets.token_hex(16)
        scope["ninefold.trace_id"] = trace_id
        started = False

        async def send_traced(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    (b"x-ninefold-trace-id", trace_id.encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            body = await _whole_body(receive)
        except TimeoutError:
            await _refuse(
                send_traced, 408, "request_timeout", "The body did not arrive", "Send the whole body within ten seconds.", trace_id
            )
            return
        if body is None:
            detail = f"The body may have at most {MAX_BODY_BYTES} bytes."
            await _refuse(send_traced, 413, "too_large", "The request is too large", detail, trace_id)
            return
        try:
            await self._app(scope, _replay(body, receive), send_traced)
        except Exception as error:  # noqa: BLE001  # the boundary of the control plane: a defect is an opaque 500 with a trace id
            self._report("request.failed", trace_id=trace_id, method=scope["method"], path=scope["path"], exc=error)
            if not started:
                await _refuse(
                    send_traced, 500, Internal.code, Internal.title, "This is a defect of ours; the trace id finds it in the log.", trace_id
                )


async def _whole_body(receive: Receive) -> bytes | None:
    """The body; None where it is too large. Raises: TimeoutError."""
    chunks: list[bytes] = []
    size = 0
    async with asyncio.timeout(_BODY_WITHIN_S):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(chunks)
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                return None
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(send: Send, status: int, code: str, title: str, detail: str, trace_id: str) -> None:
    document = {
        "type": f"https://ninefold.dev/errors/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": trace_id,
    }
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
