"""Moderations from an OpenAI caller to a vendor that has them: the bytes pass, the model's name changes.

Source: platform.openai.com/docs/api-reference/moderations.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import IMAGES, NO_NEEDS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import json_members
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.openai.chat.envelope import IMAGE_TOKENS
from ninefold.wire.openai.chat.passthrough import renamed
from ninefold.wire.token_count import TokenCount


class _Part(msgspec.Struct):
    type: str


class _Envelope(msgspec.Struct):
    input: str | list[str | _Part]
    model: str = ""


class _Usage(msgspec.Struct):
    prompt_tokens: TokenCount = 0


class _Answer(msgspec.Struct):
    model: str
    results: list[msgspec.Raw]
    usage: _Usage | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_answer = msgspec.json.Decoder(_Answer)


def read(body: bytes) -> ModelCall:
    """The call in `body`. OpenAI lets callers leave the model out; here it says who may do this and who pays, so it is needed.

    Raises: InvalidRequest naming the field.
    """
    found = json_members.read(_envelope, body)
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    if not found.input:
        raise InvalidRequest("There is nothing to judge.", param="input")
    pictures = sum(not isinstance(each, str) and each.type == "image_url" for each in found.input)
    return ModelCall(
        operation=Operation.MODERATIONS,
        wire=Wire.OPENAI,
        model=found.model,
        body=body,
        input_tokens_bound=len(body) + pictures * IMAGE_TOKENS,
        max_output_tokens=0,
        needs=frozenset({IMAGES}) if pictures else NO_NEEDS,
    )


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body under the vendor's model name."""
    fields = members(call.body)
    fields["model"] = raw(model)
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's verdicts under the name the caller used."""
    try:
        found = _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not a moderation: {error}.") from None
    body = renamed(body, found.model, call.model).rstrip()
    if found.usage is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, estimated=True)
    else:
        usage = Usage(input_tokens=found.usage.prompt_tokens)
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage)
