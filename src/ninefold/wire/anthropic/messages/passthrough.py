"""Messages from an Anthropic caller to Anthropic: the bytes pass, a few members change."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import attribution
from ninefold.wire.json_members import ABSENT, encode, members, raw
from ninefold.wire.token_count import TokenCount


class WireUsage(msgspec.Struct):
    """The `usage` member, as far as money is concerned; None where a later event does not repeat it."""

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None


class _Block(msgspec.Struct):
    type: str
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = ABSENT


class _Answer(msgspec.Struct):
    model: str
    content: list[_Block]
    usage: WireUsage


_answer = msgspec.json.Decoder(_Answer)


def to_usage(found: WireUsage) -> Usage:
    """`found` in the domain's words, where the input counts include what was cached."""
    read = found.cache_read_input_tokens or 0
    written = found.cache_creation_input_tokens or 0
    return Usage(
        input_tokens=(found.input_tokens or 0) + read + written,
        output_tokens=found.output_tokens or 0,
        cached_input_tokens=read,
        cache_write_tokens=written,
    )


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body under the vendor's model name."""
    fields = members(call.body)
    fields["model"] = raw(model)
    if call.attribution or call.task_class:
        attribution.without(fields)
    return encode(fields)


def renamed(body: bytes, theirs: str, ours: str) -> bytes:
    """`body` with its model member saying `ours`, wherever in the object it stands; strings cannot contain the pattern."""
    name = encode(theirs)
    for pattern in (b'"model":', b'"model": '):
        if pattern + name in body:
            return body.replace(pattern + name, pattern + encode(ours), 1)
    return body


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer under the name the caller used."""
    try:
        found = _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not a message: {error}.") from None
    body = renamed(body, found.model, call.model).rstrip()
    calls = tuple(
        ToolCall(call_id=block.id or "", name=block.name or "", arguments=(bytes(block.input) or b"{}").decode())
        for block in found.content
        if block.type == "tool_use"
    )
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=to_usage(found.usage), tool_calls=calls)
