"""Google's Gemini protocol."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, Unsupported
from ninefold.wire.dialects import embedders, surfaces
from ninefold.wire.dialects.dialect import Outbound, StreamScan
from ninefold.wire.dialects.translated_scan import TranslatedScan
from ninefold.wire.gemini.count_tokens import request as count_request
from ninefold.wire.gemini.count_tokens import response as count_response
from ninefold.wire.gemini.embeddings import passthrough as embeddings
from ninefold.wire.gemini.embeddings import request as embed_request
from ninefold.wire.gemini.embeddings import response as embed_response
from ninefold.wire.gemini.failures import failure
from ninefold.wire.gemini.generate import passthrough, request, response, stream
from ninefold.wire.gemini.generate.scan import GenerateScan


class GeminiDialect:
    """`Dialect` for Gemini; the model and what is asked of it stand in the path."""

    stream_type = b"text/event-stream"

    def headers(self, api_key: str | None) -> bytes:
        """JSON and the key. Source: ai.google.dev/api, "Authentication"."""
        lines = b"content-type: application/json\r\naccept-encoding: identity\r\n"
        return lines if api_key is None else lines + b"x-goog-api-key: " + api_key.encode() + b"\r\n"

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """Content to generate, texts to embed, or tokens to count."""
        model = model.removeprefix("models/")
        own = call.wire is Wire.GEMINI
        if call.operation is Operation.COUNT_TOKENS:
            if own:
                body = count_request.passed(call, model)
            else:
                body = count_request.encode(surfaces.decode_request(call), model=model, wire=call.wire)
            return Outbound(target=_target(model, "countTokens"), body=body)
        if call.operation is Operation.EMBEDDINGS:
            if own:
                method = "batchEmbedContents" if embeddings.is_batch(call) else "embedContent"
                return Outbound(target=_target(model, method), body=embeddings.request(call, model))
            return Outbound(target=_target(model, "batchEmbedContents"), body=embed_request.encode(embedders.decode(call), model=model))
        if call.operation is not Operation.CHAT:
            raise Unsupported(f"Gemini deployments do not answer {call.operation.value} here.")
        if own:
            body = passthrough.request(call, max_output_tokens)
        else:
            cap = call.max_output_tokens or max_output_tokens
            body = request.encode(surfaces.decode_request(call), model=model, max_output_tokens=cap, wire=call.wire)
        return Outbound(target=_target(model, "streamGenerateContent?alt=sse" if call.stream else "generateContent"), body=body)

    def immediate(self, call: ModelCall) -> Whole | None:
        """Nothing: Gemini answers everything itself."""
        del call

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer as it is for a Gemini caller, else translated."""
        own = call.wire is Wire.GEMINI
        if call.operation is Operation.COUNT_TOKENS:
            trimmed = body.rstrip()
            return Whole(
                body=Splice(before=trimmed[:-1], after=b"}") if own else surfaces.encode_count(call, count_response.decode(body)),
            )
        if call.operation is Operation.EMBEDDINGS:
            if own:
                return embeddings.response(call, body)
            sent = embedders.sent_bytes(embedders.decode(call))
            return embedders.encode(call, embed_response.decode(body, model=call.model, sent_bytes=sent))
        if own:
            return passthrough.response(call, body)
        result = response.decode(body)
        calls = tuple(part for choice in result.choices for part in choice.parts if isinstance(part, ToolCall))
        return Whole(body=surfaces.encode_response(call, result), usage=result.usage, tool_calls=calls)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that passes a Gemini caller's chunks on, and translates any other's."""
        return GenerateScan(call) if call.wire is Wire.GEMINI else TranslatedScan(call, stream.Decoder(call.choices))

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """See `ninefold.wire.gemini.failures`."""
        return failure(status, headers, body)


def _target(model: str, method: str) -> bytes:
    """The path of a method; a tuned model has its own collection."""
    collection = "" if model.startswith("tunedModels/") else "models/"
    return f"/v1beta/{collection}{quote(model, safe='/')}:{method}".encode()
