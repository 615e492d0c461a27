"""OpenAI's protocol, as everybody speaks it: OpenAI, vLLM, Ollama, OCI and our own local models."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, Unsupported
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.wire.dialects import surfaces
from ninefold.wire.dialects.dialect import Outbound, StreamScan
from ninefold.wire.dialects.openai_endpoints import ENDPOINTS
from ninefold.wire.dialects.translated_scan import TranslatedScan
from ninefold.wire.openai.chat import passthrough, request, response, stream
from ninefold.wire.openai.chat.scan import ChatScan
from ninefold.wire.openai.failures import failure
from ninefold.wire.passthrough.scan import PassedScan


class OpenAiDialect:
    """`Dialect` for OpenAI-speaking vendors."""

    stream_type = b"text/event-stream"

    def headers(self, api_key: str | None) -> bytes:
        """JSON and a bearer token."""
        lines = b"content-type: application/json\r\naccept-encoding: identity\r\n"
        return lines if api_key is None else lines + b"authorization: Bearer " + api_key.encode() + b"\r\n"

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """A chat completion, or what goes to another of the endpoints."""
        if call.operation is not Operation.CHAT:
            endpoint = ENDPOINTS.get(call.operation)
            if endpoint is None:
                raise Unsupported(f"{call.operation} cannot be sent to an OpenAI-speaking deployment.")
            return endpoint.outbound(call, model)
        if call.wire is Wire.OPENAI:
            return Outbound(target=b"/chat/completions", body=passthrough.request(call, model, max_output_tokens))
        cap = call.max_output_tokens or max_output_tokens
        body = request.encode(
            surfaces.decode_request(call),
            model=model,
            max_output_tokens=cap,
            stream=call.stream,
            legacy_max_tokens=not passthrough.knows_completion_tokens(model),
        )
        return Outbound(target=b"/chat/completions", body=body)

    def immediate(self, call: ModelCall) -> Whole | None:
        """Token counts: the protocol has no endpoint for them, so the answer is our estimate."""
        if call.operation is not Operation.COUNT_TOKENS:
            return None
        return Whole(body=surfaces.encode_count(call, surfaces.estimate_input(call)))

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer as it is for an OpenAI caller, else translated."""
        if call.operation is not Operation.CHAT:
            return ENDPOINTS[call.operation].whole(call, body)
        if call.wire is Wire.OPENAI:
            return passthrough.response(call, body)
        result = response.decode(body)
        calls = tuple(part for choice in result.choices for part in choice.parts if isinstance(part, ToolCall))
        usage = result.usage
        if usage == NO_USAGE:
            usage = Usage(input_tokens=(len(call.body) + 3) // 4, output_tokens=(len(body) + 3) // 4, estimated=True)
        return Whole(body=surfaces.encode_response(call, result), usage=usage, tool_calls=calls)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that passes an OpenAI caller's events on, and translates any other's."""
        if call.operation is not Operation.CHAT:
            return PassedScan(call)
        return ChatScan(call) if call.wire is Wire.OPENAI else TranslatedScan(call, stream.Decoder())

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """See `ninefold.wire.openai.failures`."""
        return failure(status, headers, body)
