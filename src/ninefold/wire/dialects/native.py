"""Deployments that have OpenAI's Responses API or its legacy completions themselves, beside chat completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import NinefoldError
from ninefold.wire.dialects.dialect import Dialect, Outbound, StreamScan
from ninefold.wire.openai.completions import passthrough as completions
from ninefold.wire.openai.completions.scan import CompletionScan
from ninefold.wire.openai.responses import passthrough as responses
from ninefold.wire.openai.responses.scan import ResponseScan


def _responses(call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
    return Outbound(target=b"/responses", body=responses.request(call, model, max_output_tokens))


def _completions(call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
    del max_output_tokens
    return Outbound(target=b"/completions", body=completions.request(call, model))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Native:
    outbound: Callable[[ModelCall, str, int], Outbound]
    whole: Callable[[ModelCall, bytes], Whole]
    scan: Callable[[ModelCall], StreamScan]


# By the word that stands for it in a deployment's operations.
_NATIVE: dict[str, tuple[Wire, _Native]] = {
    "responses": (Wire.OPENAI_RESPONSES, _Native(outbound=_responses, whole=responses.response, scan=ResponseScan)),
    "completions": (Wire.OPENAI_COMPLETIONS, _Native(outbound=_completions, whole=completions.response, scan=CompletionScan)),
}


class NativeDialect:
    """`Dialect` of a vendor that has some of OpenAI's protocols as they are: calls in these pass, all others go the vendor's own way."""

    def __init__(self, vendor: Dialect, native: Mapping[Wire, _Native]) -> None:
        self.stream_type = vendor.stream_type
        self._vendor = vendor
        self._native = native

    def headers(self, api_key: str | None) -> bytes:
        """The vendor's."""
        return self._vendor.headers(api_key)

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """The caller's own request where the vendor has its protocol."""
        native = self._of(call)
        return self._vendor.outbound(call, model, max_output_tokens) if native is None else native.outbound(call, model, max_output_tokens)

    def immediate(self, call: ModelCall) -> Whole | None:
        """The vendor's."""
        return self._vendor.immediate(call)

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer as it is where the vendor has the caller's protocol."""
        native = self._of(call)
        return self._vendor.whole(call, body) if native is None else native.whole(call, body)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that passes events on where the vendor has the caller's protocol."""
        native = self._of(call)
        return self._vendor.scan(call) if native is None else native.scan(call)

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """The vendor's."""
        return self._vendor.failure(status, headers, body)

    def _of(self, call: ModelCall) -> _Native | None:
        return self._native.get(call.wire) if call.operation is Operation.CHAT else None


def natively(vendor: Dialect, operations: tuple[str, ...]) -> Dialect:
    """The dialect of a deployment with these operations: the vendor's own, or one that passes what it has natively."""
    native = dict(_NATIVE[name] for name in operations if name in _NATIVE)
    return NativeDialect(vendor, native) if native else vendor
