"""The caller's side of a translation: whichever protocol a call came in, as requests, answers and streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ChatRequest, ChatResult, Delta, Opened
from ninefold.wire.anthropic.count_tokens import request as anthropic_count_request
from ninefold.wire.anthropic.count_tokens import response as anthropic_count_response
from ninefold.wire.anthropic.messages import request as anthropic_request
from ninefold.wire.anthropic.messages import response as anthropic_response
from ninefold.wire.anthropic.messages import stream as anthropic_stream
from ninefold.wire.dialects.token_estimate import estimate_request
from ninefold.wire.gemini.count_tokens import request as gemini_count_request
from ninefold.wire.gemini.count_tokens import response as gemini_count_response
from ninefold.wire.gemini.generate import request as gemini_request
from ninefold.wire.gemini.generate import response as gemini_response
from ninefold.wire.gemini.generate import stream as gemini_stream
from ninefold.wire.gemini.generate.frames import frames_of
from ninefold.wire.openai.chat import request as openai_request
from ninefold.wire.openai.chat import response as openai_response
from ninefold.wire.openai.chat import stream as openai_stream
from ninefold.wire.openai.completions import request as completions_request
from ninefold.wire.openai.completions import response as completions_response
from ninefold.wire.openai.completions import stream as completions_stream
from ninefold.wire.openai.responses import request as responses_request
from ninefold.wire.openai.responses import response as responses_response
from ninefold.wire.openai.responses import stream as responses_stream


class Encoder(Protocol):
    """Writes one streamed answer in the caller's protocol."""

    def encode(self, delta: Delta) -> bytes:
        """Whole events, perhaps none."""
        ...

    def finish(self) -> tuple[bytes, bytes]:
        """The held-back last events, cut where one more member fits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One caller's protocol: a call as a conversation (raises InvalidRequest naming the field), a whole answer under the name the caller
    used, a fresh writer of one streamed answer, and a number of counted tokens."""

    decode: Callable[[ModelCall], ChatRequest]
    encode: Callable[[ModelCall, ChatResult], Splice]
    encoder: Callable[[ModelCall, Opened], Encoder]
    count: Callable[[int], bytes] = anthropic_count_response.encode


def _openai_decode(call: ModelCall) -> ChatRequest:
    return openai_request.decode(call.body)


def _openai_encode(call: ModelCall, result: ChatResult) -> Splice:
    body = openai_response.encode(result, model=call.model, result_id=result.result_id, created=result.created or int(call.received_at))
    return Splice(before=body[:-1], after=b"}")


def _openai_encoder(call: ModelCall, opened: Opened) -> Encoder:
    return openai_stream.Encoder(
        model=call.model, result_id=opened.result_id, created=opened.created or int(call.received_at), include_usage=call.include_usage
    )


def _anthropic_decode(call: ModelCall) -> ChatRequest:
    if call.operation is Operation.COUNT_TOKENS:
        return anthropic_count_request.decode(call.body)
    return anthropic_request.decode(call.body)


def _anthropic_encode(call: ModelCall, result: ChatResult) -> Splice:
    body = anthropic_response.encode(result, model=call.model, result_id=result.result_id, created=result.created or int(call.received_at))
    return Splice(before=body[:-1], after=b"}")


def _anthropic_encoder(call: ModelCall, opened: Opened) -> Encoder:
    return anthropic_stream.Encoder(
        model=call.model,
        result_id=opened.result_id,
        created=opened.created or int(call.received_at),
        input_tokens=opened.usage.input_tokens,
    )


def _responses_decode(call: ModelCall) -> ChatRequest:
    return responses_request.decode(call.body)


def _responses_encode(call: ModelCall, result: ChatResult) -> Splice:
    body = responses_response.encode(call, result)
    return Splice(before=body[:-1], after=b"}")


def _completions_decode(call: ModelCall) -> ChatRequest:
    return completions_request.decode(call.body)


def _completions_encode(call: ModelCall, result: ChatResult) -> Splice:
    body = completions_response.encode(
        result, model=call.model, result_id=result.result_id, created=result.created or int(call.received_at)
    )
    return Splice(before=body[:-1], after=b"}")


def _completions_encoder(call: ModelCall, opened: Opened) -> Encoder:
    return completions_stream.Encoder(
        model=call.model, result_id=opened.result_id, created=opened.created or int(call.received_at), include_usage=call.include_usage
    )


def _gemini_decode(call: ModelCall) -> ChatRequest:
    if call.operation is Operation.COUNT_TOKENS:
        return gemini_count_request.decode(call.body, call.model)
    return gemini_request.decode(call.body, call.model, stream=call.stream)


def _gemini_encode(call: ModelCall, result: ChatResult) -> Splice:
    body = gemini_response.encode(result, model=call.model, result_id=result.result_id)
    return Splice(before=body[:-1], after=b"}")


def _gemini_encoder(call: ModelCall, opened: Opened) -> Encoder:
    return gemini_stream.Encoder(model=call.model, result_id=opened.result_id, frames=frames_of(call))


CODECS: dict[Wire, Codec] = {
    Wire.OPENAI: Codec(decode=_openai_decode, encode=_openai_encode, encoder=_openai_encoder),
    Wire.OPENAI_RESPONSES: Codec(decode=_responses_decode, encode=_responses_encode, encoder=responses_stream.Encoder),
    Wire.OPENAI_COMPLETIONS: Codec(decode=_completions_decode, encode=_completions_encode, encoder=_completions_encoder),
    Wire.ANTHROPIC: Codec(decode=_anthropic_decode, encode=_anthropic_encode, encoder=_anthropic_encoder),
    Wire.GEMINI: Codec(decode=_gemini_decode, encode=_gemini_encode, encoder=_gemini_encoder, count=gemini_count_response.encode),
}


def decode_request(call: ModelCall) -> ChatRequest:
    """The whole conversation. Raises: InvalidRequest naming the field."""
    return CODECS[call.wire].decode(call)


def encode_response(call: ModelCall, result: ChatResult) -> Splice:
    """A whole answer under the name the caller used."""
    return CODECS[call.wire].encode(call, result)


def encoder(call: ModelCall, opened: Opened) -> Encoder:
    """A fresh writer of one streamed answer."""
    return CODECS[call.wire].encoder(call, opened)


def encode_count(call: ModelCall, input_tokens: int) -> Splice:
    """A number of counted tokens."""
    body = CODECS[call.wire].count(input_tokens)
    return Splice(before=body[:-1], after=b"}")


def estimate_input(call: ModelCall) -> int:
    """About how many input tokens a chat call is."""
    return estimate_request(decode_request(call))
