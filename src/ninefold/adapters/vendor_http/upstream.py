"""Vendors over HTTP: one adapter for every protocol that `wire` knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ninefold.adapters.vendor_http.stream import HttpStream
from ninefold.adapters.vendor_http.target import SecretReader, Target, target_of
from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.errors import InvalidRequest, NinefoldError, UpstreamRejected
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.ports.http_client import HttpClient, HttpResponse, TransportDeadline, TransportFailed
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream
from ninefold.wire.dialects.dialect import Dialect

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 1024 * 1024


class HttpUpstream:
    """`Upstream` over a pooled HTTP client; targets are worked out at a deployment's first use and kept while it stays the same."""

    def __init__(self, client: HttpClient, dialects: Mapping[str, Dialect], secret: SecretReader) -> None:
        self._client = client
        self._dialects = dialects
        self._secret = secret
        self._targets: dict[str, tuple[Deployment, Target]] = {}

    def refresh(self) -> None:
        """Secrets are read again at the next use of each deployment."""
        self._targets.clear()

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        """See the port."""
        try:
            target = self._target(deployment)
            ready = target.dialect.immediate(call)
            if ready is not None:
                return ready
            outbound = target.dialect.outbound(call, deployment.model, limits.max_output_tokens)
        except NinefoldError as error:
            raise AttemptFailed(error, elsewhere=True) from error
        headers = target.headers + outbound.headers + b"traceparent: " + call.traceparent.encode() + b"\r\n"
        path = target.path + outbound.target
        if path.startswith(b"/v1/v1/"):
            path = path[3:]
        by = asyncio.get_running_loop().time() + limits.deadlines.first_byte_s
        try:
            response = await self._client.send(target.origin, b"POST", path, headers, outbound.body, limits.deadlines)
            if response.status != 200:
                raise await self._failed(target, response)
            if not call.stream:
                return target.dialect.whole(call, await response.read(MAX_ANSWER_BYTES))
            return await self._stream(target, call, response, limits, by)
        except (TransportFailed, TransportDeadline) as error:
            # What reached the vendor may be billed although nothing came back: the input side stands as an estimate.
            raise AttemptFailed(error, usage=_input_only(call) if error.sent else NO_USAGE) from error
        except UpstreamRejected as error:
            raise AttemptFailed(error, usage=_input_only(call)) from error

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

    async def _failed(self, target: Target, response: HttpResponse) -> AttemptFailed:
        body = await response.read(_MAX_ERROR_BYTES)
        error, elsewhere = target.dialect.failure(response.status, response.headers, body)
        return AttemptFailed(error, elsewhere=elsewhere)

    async def _stream(self, target: Target, call: ModelCall, response: HttpResponse, limits: AttemptLimits, by: float) -> HttpStream:
        kind = response.headers.get(b"content-type", b"")
        if kind.find(b"text/event-stream") < 0:
            response.abort()
            raise UpstreamRejected(f"The upstream answered a streamed request with {kind.decode('latin-1') or 'no content type'}.")
        stream = HttpStream(response, target.dialect.scan(call), limits.deadlines.idle_s)
        try:
            await stream.begin(by)
        except InvalidRequest as error:
            raise AttemptFailed(error, elsewhere=False) from error
        except NinefoldError as error:
            stream.abort()
            raise AttemptFailed(error, usage=stream.usage) from error
        except BaseException:
            stream.abort()
            raise
        return stream


def _input_only(call: ModelCall) -> Usage:
    return Usage(input_tokens=(len(call.body) + 3) // 4, estimated=True)
