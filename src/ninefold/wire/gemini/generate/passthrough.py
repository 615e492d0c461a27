"""Generated content from Google to a Gemini caller: the bytes pass, a few members change."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire.gemini.camel_object import camel
from ninefold.wire.gemini.generate import signature
from ninefold.wire.gemini.generate.usage import ReportedUsage
from ninefold.wire.json_members import Members, encode, members, raw


class WireCall(msgspec.Struct):
    """A call, as far as the record needs it."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class WirePart(msgspec.Struct, rename="camel"):
    """A part: its text is counted, its call is recorded."""

    text: str | None = None
    function_call: WireCall | None = None


class WireContent(msgspec.Struct):
    """What a candidate says."""

    parts: list[WirePart] | None = None


class WireCandidate(msgspec.Struct, rename="camel"):
    """One answer, or in a stream more of it."""

    content: WireContent | None = None
    finish_reason: str | None = None
    index: int = 0

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls in it."""
        wanted = [part.function_call for part in (self.content and self.content.parts) or () if part.function_call is not None]
        return tuple(ToolCall(call_id=c.id or "", name=c.name, arguments=bytes(c.args).decode()) for c in wanted)


class WireFeedback(msgspec.Struct, rename="camel"):
    """Why there is no candidate."""

    block_reason: str | None = None


class WireAnswer(msgspec.Struct, rename="camel"):
    """A whole answer or a chunk of one, as far as money and completeness are concerned."""

    candidates: list[WireCandidate] = []
    prompt_feedback: WireFeedback | None = None
    usage_metadata: ReportedUsage | None = None
    model_version: str | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_answer = msgspec.json.Decoder(WireAnswer)


def request(call: ModelCall, max_output_tokens: int) -> bytes:
    """The caller's body with an output cap where there was none; which model is meant stands in the path alone."""
    # Written anew from its members rather than patched: a repeated member, read differently by the vendor, would slip past admission.
    fields = _camel(members(signature.without_foreign(call.body)))
    fields.pop("model", None)
    given = fields.get("generationConfig")
    config = {} if given is None or bytes(given) == b"null" else _camel(members(bytes(given)))
    if call.max_output_tokens is None:
        config["maxOutputTokens"] = raw(max_output_tokens)
    fields["generationConfig"] = raw(config)
    return encode(fields)


def _camel(fields: Members) -> Members:
    """The members in one spelling: of two that mean the same the camel-case one counts, here as for admission."""
    if not any(name.find("_") > 0 for name in fields):
        return fields
    return {camel(name): member for name, member in fields.items() if name.find("_") > 0} | {
        name: member for name, member in fields.items() if name.find("_") <= 0
    }


def renamed(body: bytes, theirs: str | None, ours: str) -> bytes:
    """`body`, a JSON object whose `modelVersion` says `theirs`, saying `ours`; a quote inside a string is escaped, so it cannot match."""
    if theirs is None:
        return body
    name = encode(theirs)
    for pattern in (b'"modelVersion":', b'"modelVersion": '):
        if body.find(pattern + name) >= 0:
            return body.replace(pattern + name, pattern + encode(ours), 1)
    fields = members(body)
    fields["modelVersion"] = raw(ours)
    return encode(fields)


def read(body: bytes) -> WireAnswer:
    """The answer or chunk in `body`. Raises: UpstreamRejected."""
    try:
        return _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream sent something that is not generated content: {error}.") from None


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer under the name the caller used."""
    found = read(body)
    if not found.candidates and found.prompt_feedback is None:
        raise UpstreamRejected("The upstream answered without a candidate.")
    body = renamed(body, found.model_version, call.model).rstrip()
    if found.usage_metadata is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, output_tokens=(len(body) + 3) // 4, estimated=True)
    else:
        usage = found.usage_metadata.to_domain()
    calls = tuple(each for candidate in found.candidates for each in candidate.calls())
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage, tool_calls=calls)
