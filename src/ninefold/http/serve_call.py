"""A call of a model over HTTP, the same for every surface: admitted, answered whole or streamed, and never left half told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.principal import Principal
from ninefold.gateway.answer import Answer
from ninefold.gateway.complete import Asked, Gateway
from ninefold.http import errors
from ninefold.http.controls import HEADERS, controls
from ninefold.http.visit import ATTRIBUTION_HEADERS, Visit, merged_attribution
from ninefold.ports.recorder import RequestFacts

_OURS = HEADERS | ATTRIBUTION_HEADERS
_MAX_NAME_CHARS = 200  # a name in a record; what exists is shorter, and what callers make up must not fill the books

# Called once a request, when its last byte is on its way: the visit and the answer, None where there was none.
Observe = Callable[[Visit, Answer | None], None]


class Sent(msgspec.Struct):
    """A request's body, and what else of it says what is asked. `query` is without its question mark."""

    body: bytes
    method: str
    path: str
    query: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One endpoint's protocol: its name in the records, how its requests are read, how an error looks inside its stream and as a body
    (request id given), the request headers that a deployment of the same protocol gets as they are, and the methods it takes."""

    name: str
    read: Callable[[Sent], ModelCall]
    error_event: Callable[[NinefoldError], bytes]
    error_body: Callable[[NinefoldError, str], bytes] = errors.openai_body
    forwards: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("POST",)
    stream_type: str = "text/event-stream; charset=utf-8"


class Memory(Protocol):
    """What a surface remembers from one request to the next; one for each request."""

    async def prepare(self, body: bytes) -> bytes:
        """The body with what came before in it. Raises: NotFound, InvalidRequest, Unavailable."""
        ...

    async def keep(self, data: bytes) -> None:
        """What has to be kept of the answer is, before `data`, its next or only piece, leaves. Raises: Unavailable."""
        ...

    def error_event(self, error: NinefoldError) -> bytes:
        """The error as the next event of this stream."""
        ...


async def serve_call(
    visit: Visit, gateway: Gateway, surface: Surface, who: Principal, observe: Observe, memory: Memory | None = None
) -> None:
    """The reply is complete. Raises: any error of the tree, as long as nothing was sent."""
    exchange = visit.exchange
    body = await exchange.body(gateway.snapshot.max_body_bytes)
    if memory is not None:
        body = await memory.prepare(body)
    given = exchange.headers
    call = surface.read(Sent(body, exchange.method, exchange.path, exchange.query, given.get("content-type", "")))
    call.received_at = visit.started_at
    call.traceparent = visit.trace.traceparent()
    visit.model = call.model
    if not _OURS.isdisjoint(given):  # most requests bring none, and looking for each of them costs 2 µs
        headers = visit.attribution()
        if headers:
            call.attribution = merged_attribution(headers, call.attribution)
        controls(call, given)
    if surface.forwards:
        call.forward_headers = {name.encode(): given[name].encode("latin-1") for name in surface.forwards if name in given}
    facts = RequestFacts(
        visit.request_id, visit.trace.trace_id, who.tenant, who.key_id, call.model[:_MAX_NAME_CHARS], surface.name, visit.started_at
    )
    asked = Asked(who, call, facts, visit.decision_id, visit.began)
    answer = await gateway.complete(asked)
    visit.deployment = answer.deployment
    if memory is not None and answer.body is not None:
        await memory.keep(answer.body)
    visit.status = answer.status
    if answer.body is not None:
        lines = visit.headers(answer.content_type) + _answered(answer) + f"x-ninefold-cost-usd: {answer.cost_usd}\r\n".encode()
        exchange.reply(answer.status, lines, answer.body)
        observe(visit, answer)
        return
    lines = visit.headers(surface.stream_type) + _answered(answer)
    try:
        await _stream(visit, surface, answer, lines, memory)
    finally:
        gateway.inflight.leave(who.key_id, answer)
        try:
            answer.abandon()
        finally:
            observe(visit, answer)


def _answered(answer: Answer) -> bytes:
    """The header lines that say where the answer comes from."""
    lines = f"x-ninefold-deployment: {answer.deployment}\r\nx-ninefold-cache: {answer.cache}\r\n"
    if answer.original_trace_id:
        lines += f"x-ninefold-original-trace-id: {answer.original_trace_id}\r\n"
    return lines.encode()


async def _stream(visit: Visit, surface: Surface, answer: Answer, lines: bytes, memory: Memory | None) -> None:
    exchange = visit.exchange
    exchange.start(200, lines + b"cache-control: no-cache\r\nx-accel-buffering: no\r\n")
    visit.outcome = "client_closed"
    try:
        while (data := await answer.next()) is not None:
            if memory is not None:
                await memory.keep(data)
            await exchange.write(data)
        visit.outcome = "completed"
    except NinefoldError as error:
        visit.outcome = error.code
        await exchange.write(surface.error_event(error) if memory is None else memory.error_event(error))
    exchange.finish()
