"""Vendors over HTTP: one adapter for every protocol that `wire` knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from ninefold.adapters.vendor_http.keys import rest_s
from ninefold.adapters.vendor_http.stream import HttpStream
from ninefold.adapters.vendor_http.target import SecretReader, Target, target_of
from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.errors import InvalidRequest, NinefoldError, UpstreamRejected
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.ports.http_client import Deadlines, HttpClient, HttpResponse, TransportDeadline, TransportFailed
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream
from ninefold.wire.dialects.dialect import Dialect, Outbound
from ninefold.wire.dialects.passing import PassingDialect
from ninefold.wire.passthrough import answer

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 1024 * 1024
_PASSING: Final = Operation.PASSTHROUGH  # a name of the module costs a third of an enumeration's attribute
_JSON: Final = b"application/json"
_JSON_LINE: Final = b"content-type: application/json\r\n"


class HttpUpstream:
    """`Upstream` over a pooled HTTP client; targets are worked out at a deployment's first use and kept while it stays the same.

    Where a deployment has several keys, the first that does not rest is used; one that its vendor refused or limited rests.
    """

    def __init__(
        self, client: HttpClient, dialects: Mapping[str, Dialect], secret: SecretReader, wall: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._dialects = dialects
        self._secret = secret
        self._wall = wall
        self._targets: dict[str, tuple[Deployment, Target]] = {}

    def refresh(self) -> None:
        """Secrets are read again at the next use of each deployment, and no key rests any more."""
        self._targets.clear()

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        """See the port."""
        passing = call.operation is _PASSING
        try:
            target = self._target(deployment)
            if passing:
                target = replace(target, dialect=PassingDialect(target.dialect))
            ready = target.dialect.immediate(call)
            if ready is not None:
                return ready
            outbound = target.dialect.outbound(call, deployment.model, limits.max_output_tokens)
        except NinefoldError as error:
            raise AttemptFailed(error, elsewhere=True) from error
        if limits.answer_model is not None:
            call = replace(call, model=limits.answer_model)  # what is sent on is made; this is the name in what comes back
        now = asyncio.get_running_loop().time()
        key = -1 if target.keys is None else target.keys.pick(now)
        try:
            response = await self._send(target, outbound, call, limits.deadlines, key)
            if passing and answer.given_on(response.status):
                return await _given_on(target, call, response, limits, key, now)
            if not 200 <= response.status < 300:
                raise await self._failed(target, response, key)
            if call.stream:
                stream = HttpStream(_streamed(target, response), target.dialect.scan(call), limits.deadlines.idle_s)
                return await _begun(stream, target, key, now + limits.deadlines.first_byte_s)
            whole = target.dialect.whole(call, await response.read(MAX_ANSWER_BYTES))
            if whole.content_type != "application/json":
                whole.content_type = response.headers.get(b"content-type", b"").decode("latin-1") or whole.content_type
            return whole
        except (TransportFailed, TransportDeadline) as error:
            # What reached the vendor may be billed although nothing came back: the input side stands as an estimate.
            raise AttemptFailed(error, usage=_input_only(call) if error.sent else NO_USAGE) from error
        except UpstreamRejected as error:
            raise AttemptFailed(error, usage=_input_only(call)) from error

    def _send(self, target: Target, outbound: Outbound, call: ModelCall, deadlines: Deadlines, key: int) -> Awaitable[HttpResponse]:
        headers = target.headers if target.keys is None else target.keys[key]
        if outbound.content_type:
            headers = headers.replace(_JSON_LINE, b"content-type: %b\r\n" % outbound.content_type, 1)
        path = target.path + (outbound.target if target.address is None else target.address(outbound.target))
        if path.startswith(b"/v1/v1/"):
            path = path[3:]
        if target.signer is not None:
            headers += target.signer(outbound.method, path, outbound.content_type or _JSON, outbound.body, self._wall())
        headers = b"%b%btraceparent: %b\r\n" % (headers, outbound.headers, call.traceparent.encode())
        return self._client.send(target.origin, outbound.method, path, headers, outbound.body, deadlines)

    def _target(self, deployment: Deployment) -> Target:
        found = self._targets.get(deployment.name)
        if found is not None and found[0] is deployment:
            return found[1]
        if found is None or found[0] != deployment:
            dialect = self._dialects.get(deployment.provider)
            if dialect is None:
                raise UpstreamRejected(f"No dialect is known for provider {deployment.provider}.")
            target = target_of(deployment, dialect, self._secret)
        else:
            target = found[1]
        self._targets[deployment.name] = (deployment, target)
        return target

    async def _failed(self, target: Target, response: HttpResponse, key: int) -> AttemptFailed:
        body = await response.read(_MAX_ERROR_BYTES)
        error, elsewhere = target.dialect.failure(response.status, response.headers, body)
        return AttemptFailed(error, elsewhere=elsewhere, other_key=_rested(target, key, rest_s(response.status, error, body)))


async def _given_on(target: Target, call: ModelCall, response: HttpResponse, limits: AttemptLimits, key: int, now: float) -> Whole | Stream:
    """What the vendor's own endpoint said, as it is; a stream where one was asked for and came."""
    kind = response.headers.get(b"content-type", b"")
    if call.stream and response.status == 200 and kind.find(target.dialect.stream_type) >= 0:
        stream = HttpStream(response, target.dialect.scan(call), limits.deadlines.idle_s)
        return await _begun(stream, target, key, now + limits.deadlines.first_byte_s)
    return answer.whole(call, response.status, kind, await response.read(MAX_ANSWER_BYTES))


def _streamed(target: Target, response: HttpResponse) -> HttpResponse:
    """The response, which is a stream. Raises: UpstreamRejected where it is something else."""
    kind = response.headers.get(b"content-type", b"")
    if kind.find(target.dialect.stream_type) < 0:
        response.abort()
        raise UpstreamRejected(f"The upstream answered a streamed request with {kind.decode('latin-1') or 'no content type'}.")
    return response


async def _begun(stream: HttpStream, target: Target, key: int, by: float) -> HttpStream:
    """The stream with its first content. Raises: AttemptFailed, and then it is closed."""
    try:
        await stream.begin(by)
    except NinefoldError as error:
        stream.abort()
        if isinstance(error, InvalidRequest):
            raise AttemptFailed(error, elsewhere=False) from error
        raise AttemptFailed(error, usage=stream.usage, other_key=_rested(target, key, rest_s(200, error, b""))) from error
    except BaseException:
        stream.abort()
        raise
    return stream


def _rested(target: Target, key: int, for_s: float | None) -> bool:
    """The key rests where its vendor's answer was about it; whether the deployment has another that can be asked at once."""
    if target.keys is None or for_s is None:
        return False
    return target.keys.rest(key, for_s, asyncio.get_running_loop().time())


def _input_only(call: ModelCall) -> Usage:
    return Usage(input_tokens=(len(call.body) + 3) // 4, estimated=True)
