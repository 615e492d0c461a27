"""Embeddings from an OpenAI caller to an OpenAI-speaking vendor: the bytes pass, the model's name changes."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import json_members
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.openai.chat.passthrough import renamed
from ninefold.wire.token_count import TokenCount


class _Envelope(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]


class _Usage(msgspec.Struct):
    prompt_tokens: TokenCount = 0


class _Answer(msgspec.Struct):
    model: str
    data: msgspec.Raw
    usage: _Usage | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_answer = msgspec.json.Decoder(_Answer)


def read(body: bytes) -> ModelCall:
    """The call in `body`. Raises: InvalidRequest naming the field."""
    found = json_members.read(_envelope, body)
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    if not found.input:
        raise InvalidRequest("There is nothing to embed.", param="input")
    return ModelCall(
        operation=Operation.EMBEDDINGS, wire=Wire.OPENAI, model=found.model, body=body, input_tokens_bound=len(body), max_output_tokens=0
    )


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body under the vendor's model name."""
    fields = members(call.body)
    fields["model"] = raw(model)
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's vectors under the name the caller used."""
    try:
        found = _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not a list of embeddings: {error}.") from None
    body = renamed(body, found.model, call.model).rstrip()
    if found.usage is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, estimated=True)
    else:
        usage = Usage(input_tokens=found.usage.prompt_tokens)
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage)
