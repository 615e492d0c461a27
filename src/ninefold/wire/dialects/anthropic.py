"""Anthropic's messages protocol."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, Unsupported
from ninefold.wire.anthropic.count_tokens import request as count_request
from ninefold.wire.anthropic.count_tokens import response as count_response
from ninefold.wire.anthropic.failures import failure
from ninefold.wire.anthropic.messages import passthrough, request, response, stream
from ninefold.wire.anthropic.messages.scan import MessageScan
from ninefold.wire.dialects import surfaces
from ninefold.wire.dialects.dialect import Outbound, StreamScan
from ninefold.wire.dialects.translated_scan import TranslatedScan

# Source: docs.anthropic.com/en/api/versioning; a caller's own version and its beta flags pass untouched.
_VERSION = b"2023-06-01"


class AnthropicDialect:
    """`Dialect` for Anthropic."""

    stream_type = b"text/event-stream"

    def headers(self, api_key: str | None) -> bytes:
        """JSON and the key."""
        lines = b"content-type: application/json\r\naccept-encoding: identity\r\n"
        return lines if api_key is None else lines + b"x-api-key: " + api_key.encode() + b"\r\n"

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """A message or a token count."""
        if call.operation is Operation.EMBEDDINGS:
            raise Unsupported("Anthropic has no embeddings.")
        if call.wire is Wire.ANTHROPIC:
            target = b"/v1/messages/count_tokens" if call.operation is Operation.COUNT_TOKENS else b"/v1/messages"
            return Outbound(target=target, body=passthrough.request(call, model), headers=_version(call))
        if call.operation is Operation.COUNT_TOKENS:
            body = count_request.encode(surfaces.decode_request(call), model=model)
            return Outbound(target=b"/v1/messages/count_tokens", body=body, headers=_version(call))
        cap = call.max_output_tokens or max_output_tokens
        body = request.encode(surfaces.decode_request(call), model=model, max_output_tokens=cap, stream=call.stream)
        return Outbound(target=b"/v1/messages", body=body, headers=_version(call))

    def immediate(self, call: ModelCall) -> Whole | None:
        """Nothing: Anthropic answers everything itself."""
        del call

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer as it is for an Anthropic caller, else translated."""
        if call.operation is Operation.COUNT_TOKENS:
            if call.wire is not Wire.ANTHROPIC:
                return Whole(body=surfaces.encode_count(call, count_response.decode(body)))
            trimmed = body.rstrip()
            return Whole(body=Splice(before=trimmed[:-1], after=b"}"))
        if call.wire is Wire.ANTHROPIC:
            return passthrough.response(call, body)
        result = response.decode(body)
        calls = tuple(part for choice in result.choices for part in choice.parts if isinstance(part, ToolCall))
        return Whole(body=surfaces.encode_response(call, result), usage=result.usage, tool_calls=calls)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that passes an Anthropic caller's events on, and translates any other's."""
        return MessageScan(call) if call.wire is Wire.ANTHROPIC else TranslatedScan(call, stream.Decoder())

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """See `ninefold.wire.anthropic.failures`."""
        return failure(status, headers, body)


def _version(call: ModelCall) -> bytes:
    lines = b"anthropic-version: %b\r\n" % call.forward_headers.get(b"anthropic-version", _VERSION)
    beta = call.forward_headers.get(b"anthropic-beta")
    return lines if beta is None else lines + b"anthropic-beta: %b\r\n" % beta
