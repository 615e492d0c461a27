"""The tokens that an answer reports, whichever of the known vendors' words it uses.

Source: the `usage` of OpenAI's chat completions, Responses, images and transcriptions; of Anthropic's messages, where cached tokens stand
beside `input_tokens`; Gemini's `usageMetadata`, where thoughts stand beside the candidates' tokens.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.usage import Usage
from ninefold.wire.token_count import TokenCount


class _Details(msgspec.Struct):
    cached_tokens: TokenCount | None = None
    reasoning_tokens: TokenCount | None = None


class Reported(msgspec.Struct):
    """A `usage` member in OpenAI's or Anthropic's words."""

    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    total_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """A `usageMetadata` member in Gemini's words."""

    prompt_token_count: TokenCount | None = None
    tool_use_prompt_token_count: TokenCount | None = None
    candidates_token_count: TokenCount | None = None
    thoughts_token_count: TokenCount | None = None
    cached_content_token_count: TokenCount | None = None


class _Within(msgspec.Struct):
    usage: Reported | None = None


class Reporting(msgspec.Struct):
    """An answer, or an event of one, as far as it speaks of tokens. `response` is around it in events of the Responses API, `message` in
    Anthropic's first event."""

    usage: Reported | None = None
    usage_metadata: Metadata | None = msgspec.field(default=None, name="usageMetadata")
    response: _Within | None = None
    message: _Within | None = None


_answer = msgspec.json.Decoder(Reporting)
_answers = msgspec.json.Decoder(list[Reporting])


def usage_in(body: bytes) -> Usage | None:
    """What `body` reports, None where it is of no known shape or says nothing of tokens."""
    try:
        # Gemini's stream without `alt=sse` is one array, of which the last element knows all.
        found = [_answer.decode(body)] if not body.lstrip().startswith(b"[") else _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return next((usage for each in reversed(found) if (usage := usage_of(each)) is not None), None)


def usage_of(found: Reporting) -> Usage | None:
    """What a decoded answer or event reports."""
    if found.usage_metadata is not None:
        return _gemini(found.usage_metadata)
    inner = found.usage or (found.response and found.response.usage) or (found.message and found.message.usage)
    return _openai_or_anthropic(inner) if inner else None


def _openai_or_anthropic(found: Reported) -> Usage | None:
    given = found.input_tokens if found.prompt_tokens is None else found.prompt_tokens
    made = found.output_tokens if found.completion_tokens is None else found.completion_tokens
    if given is None and made is None:
        return None if found.total_tokens is None else Usage(input_tokens=found.total_tokens)
    before, after = (
        found.prompt_tokens_details or found.input_tokens_details,
        found.completion_tokens_details or found.output_tokens_details,
    )
    read, written = found.cache_read_input_tokens or 0, found.cache_creation_input_tokens or 0
    cached = 0 if before is None else before.cached_tokens or 0
    return Usage(
        input_tokens=(given or 0) + read + written,
        output_tokens=made or 0,
        cached_input_tokens=read + cached,
        cache_write_tokens=written,
        reasoning_tokens=0 if after is None else after.reasoning_tokens or 0,
    )


def _gemini(found: Metadata) -> Usage:
    thoughts = found.thoughts_token_count or 0
    return Usage(
        input_tokens=(found.prompt_token_count or 0) + (found.tool_use_prompt_token_count or 0),
        output_tokens=(found.candidates_token_count or 0) + thoughts,
        cached_input_tokens=found.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
