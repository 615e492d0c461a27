"""Any vendor's own endpoints: its address, credential and errors, the caller's path and bytes."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.wire.dialects.dialect import Dialect, Outbound, StreamScan
from ninefold.wire.passthrough import answer, request
from ninefold.wire.passthrough.scan import PassedScan


class PassingDialect:
    """`Dialect` for the pass-through to a vendor."""

    stream_type = b"text/event-stream"

    def __init__(self, vendor: Dialect) -> None:
        self._vendor = vendor

    def headers(self, api_key: str | None) -> bytes:
        """The vendor's."""
        return self._vendor.headers(api_key)

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """The caller's request; no cap is put into bytes that nobody reads."""
        del max_output_tokens
        body, content_type = request.body(call, model)
        lines = b"".join(b"%b: %b\r\n" % each for each in call.forward_headers.items())
        return Outbound(
            target=request.target(call, model),
            body=body,
            headers=lines,
            method=call.method.encode("ascii"),
            content_type=content_type.encode("latin-1"),
        )

    def immediate(self, call: ModelCall) -> Whole | None:
        """Nothing: the vendor is asked."""
        del call

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer as it is."""
        return answer.whole(call, 200, b"application/json", body)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that gives everything on."""
        return PassedScan(call)

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """The vendor's."""
        return self._vendor.failure(status, headers, body)
