"""Chat completions from an OpenAI caller to an OpenAI-speaking vendor: the bytes pass, a few members change."""

from __future__ import annotations

import re

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.wire import attribution, call_ids
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.token_count import TokenCount

# OpenAI's own models refuse `max_tokens` since the reasoning series; servers that merely speak the protocol may know nothing else.
_OPENAI_MODEL = re.compile(r"(gpt-|o\d|chatgpt-|codex-)")


class CachedDetails(msgspec.Struct):
    """Prompt tokens that came from a cache."""

    cached_tokens: TokenCount | None = None


class ReasoningDetails(msgspec.Struct):
    """Completion tokens spent on reasoning."""

    reasoning_tokens: TokenCount | None = None


class WireUsage(msgspec.Struct):
    """The `usage` member, as far as money is concerned."""

    prompt_tokens: TokenCount = 0
    completion_tokens: TokenCount = 0
    prompt_tokens_details: CachedDetails | None = None
    completion_tokens_details: ReasoningDetails | None = None


class WireFunction(msgspec.Struct):
    """The function of a tool call, or a fragment of it."""

    name: str | None = None
    arguments: str | None = None


class WireToolCall(msgspec.Struct):
    """A tool call, or a fragment of one."""

    index: int = 0
    id: str | None = None
    function: WireFunction | None = None


class _Message(msgspec.Struct):
    tool_calls: list[WireToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    model: str
    choices: list[_Choice]
    usage: WireUsage | None = None
    ninefold_support: float | None = None


_answer = msgspec.json.Decoder(_Answer)


def knows_completion_tokens(model: str) -> bool:
    """Whether a model of this name takes `max_completion_tokens`."""
    return _OPENAI_MODEL.match(model) is not None


def to_usage(found: WireUsage) -> Usage:
    """`found` in the domain's words."""
    cached = found.prompt_tokens_details
    reasoning = found.completion_tokens_details
    return Usage(
        input_tokens=found.prompt_tokens,
        output_tokens=found.completion_tokens,
        cached_input_tokens=0 if cached is None else cached.cached_tokens or 0,
        reasoning_tokens=0 if reasoning is None else reasoning.reasoning_tokens or 0,
    )


def request(call: ModelCall, model: str, max_output_tokens: int) -> bytes:
    """The caller's body for the vendor: its model name, an output cap where there was none, usage asked for on streams."""
    # Written anew from its members rather than patched: a repeated member, read differently by the vendor, would slip past admission.
    fields = members(call_ids.stripped(call.body) if call.has_tools else call.body)
    fields["model"] = raw(model)
    newer = knows_completion_tokens(model)
    if call.max_output_tokens is None:
        fields["max_completion_tokens" if newer else "max_tokens"] = raw(max_output_tokens)
    elif newer and "max_tokens" in fields:
        # Which model stands behind ours, and so which of the two names it takes, a caller cannot know.
        fields.setdefault("max_completion_tokens", fields.pop("max_tokens"))
    if call.stream and not call.include_usage:
        options = fields.get("stream_options")
        given = members(bytes(options)) if options is not None and bytes(options) != b"null" else {}
        given["include_usage"] = raw(True)
        fields["stream_options"] = raw(given)
    if call.attribution or call.task_class:
        attribution.without(fields)
    return encode(fields)


def renamed(body: bytes, theirs: str, ours: str) -> bytes:
    """`body`, a JSON object whose `model` member says `theirs`, saying `ours`.

    A quote inside a JSON string is always escaped, so the pattern can only match where a member stands.
    """
    if theirs == ours:
        return body
    name = encode(theirs)
    for pattern in (b'"model":', b'"model": '):
        if body.find(pattern + name) >= 0:
            return body.replace(pattern + name, pattern + encode(ours), 1)
    fields = members(body)
    fields["model"] = raw(ours)
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer under the name the caller used."""
    try:
        found = _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not a chat completion: {error}.") from None
    body = renamed(body, found.model, call.model).rstrip()
    calls: tuple[ToolCall, ...] = ()
    for choice in found.choices:
        for wanted in choice.message.tool_calls or ():
            if wanted.function is not None:
                calls += (ToolCall(call_id=wanted.id or "", name=wanted.function.name or "", arguments=wanted.function.arguments or ""),)
    usage = NO_USAGE if found.usage is None else to_usage(found.usage)
    if found.usage is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, output_tokens=(len(body) + 3) // 4, estimated=True)
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=usage, tool_calls=calls, support=found.ninefold_support)
