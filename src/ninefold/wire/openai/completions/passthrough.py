"""Legacy completions from an OpenAI caller to a vendor that has them itself: the bytes pass, a few members change."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.usage import Usage
from ninefold.wire import attribution, vendor_json
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.openai.chat.passthrough import WireUsage, renamed, to_usage


class _Choice(msgspec.Struct):
    text: str


class _Answer(msgspec.Struct):
    model: str
    choices: list[_Choice]
    usage: WireUsage | None = None


_answer = msgspec.json.Decoder(_Answer)


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body for the vendor: its model name, usage asked for on streams. The protocol has an output cap of its own."""
    fields = members(call.body)
    fields["model"] = raw(model)
    if call.stream and not call.include_usage:
        fields["stream_options"] = raw({"include_usage": True})
    attribution.without(fields)
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer under the name the caller used."""
    found = vendor_json.read(_answer, body, "a completion")
    body = renamed(body, found.model, call.model).rstrip()
    if found.usage is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, output_tokens=(len(body) + 3) // 4, estimated=True)
    else:
        usage = to_usage(found.usage)
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage)
