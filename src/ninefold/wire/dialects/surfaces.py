"""The caller's side of a translation: whichever protocol a call came in, as requests, answers and streams."""

from __future__ import annotations

from typing import Protocol

from ninefold.domain.answer import Splice
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ChatRequest, ChatResult, Delta
from ninefold.wire.anthropic.count_tokens import request as anthropic_count_request
from ninefold.wire.anthropic.messages import request as anthropic_request
from ninefold.wire.anthropic.messages import response as anthropic_response
from ninefold.wire.anthropic.messages import stream as anthropic_stream
from ninefold.wire.dialects.token_estimate import estimate_request
from ninefold.wire.openai.chat import request as openai_request
from ninefold.wire.openai.chat import response as openai_response
from ninefold.wire.openai.chat import stream as openai_stream


class Encoder(Protocol):
    """Writes one streamed answer in the caller's protocol."""

    def encode(self, delta: Delta) -> bytes:
        """Whole events, perhaps none."""
        ...

    def finish(self) -> tuple[bytes, bytes]:
        """The held-back last events, cut where one more member fits."""
        ...


def decode_request(call: ModelCall) -> ChatRequest:
    """The whole conversation. Raises: InvalidRequest naming the field."""
    if call.wire is Wire.OPENAI:
        return openai_request.decode(call.body)
    if call.operation is Operation.COUNT_TOKENS:
        return anthropic_count_request.decode(call.body)
    return anthropic_request.decode(call.body)


def encode_response(call: ModelCall, result: ChatResult) -> Splice:
    """A whole answer under the name the caller used."""
    if call.wire is Wire.OPENAI:
        body = openai_response.encode(result, model=call.model, result_id=result.result_id, created=result.created or int(call.received_at))
    else:
        body = anthropic_response.encode(
            result, model=call.model, result_id=result.result_id, created=result.created or int(call.received_at)
        )
    return Splice(before=body[:-1], after=b"}")


def encoder(call: ModelCall, result_id: str, created: int, input_tokens: int) -> Encoder:
    """A fresh writer of one streamed answer."""
    if call.wire is Wire.OPENAI:
        return openai_stream.Encoder(
            model=call.model, result_id=result_id, created=created or int(call.received_at), include_usage=call.include_usage
        )
    return anthropic_stream.Encoder(
        model=call.model, result_id=result_id, created=created or int(call.received_at), input_tokens=input_tokens
    )


def estimate_input(call: ModelCall) -> int:
    """About how many input tokens a chat call is."""
    return estimate_request(decode_request(call))
