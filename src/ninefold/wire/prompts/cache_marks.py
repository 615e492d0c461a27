"""Marks that ask a vendor to keep the stable beginning of a prompt: tools, then system text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import msgspec

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.wire.json_members import encode, members, raw

_MARK = {"type": "ephemeral"}
# Source: docs.anthropic.com/en/docs/build-with-claude/prompt-caching: shorter prefixes are not cached (1,024 tokens and more by model), and
# a mark on one costs nothing but its bytes.
MIN_PREFIX_BYTES = 4_096


def marked(call: ModelCall) -> ModelCall:
    """`call` with marks at the end of its tools and of its system text; the same call where it has its own, or too short a beginning.

    Only Anthropic's protocol has such marks, and its translations carry them to whoever understands them; OpenAI's and Gemini's own models
    keep prompts unasked.
    """
    if call.wire is not Wire.ANTHROPIC or call.operation is not Operation.CHAT or b'"cache_control"' in call.body:
        return call
    fields = members(call.body)
    system, tools = fields.get("system"), fields.get("tools")
    if len(bytes(system or b"")) + len(bytes(tools or b"")) < MIN_PREFIX_BYTES:
        return call
    if system is not None:
        blocks = _blocks(msgspec.json.decode(system))
        if blocks:
            blocks[-1] = {**blocks[-1], "cache_control": _MARK}
            fields["system"] = raw(blocks)
    if tools is not None:
        offered = msgspec.json.decode(tools)
        if isinstance(offered, list) and offered and isinstance(offered[-1], dict):
            listed = cast("list[dict[str, Any]]", offered)
            fields["tools"] = raw([*listed[:-1], {**listed[-1], "cache_control": _MARK}])
    body = encode(fields)
    return replace(call, body=body, input_tokens_bound=call.input_tokens_bound + len(body) - len(call.body))


def _blocks(system: object) -> list[dict[str, Any]]:
    if isinstance(system, str):
        return [{"type": "text", "text": system}] if system else []
    return cast("list[dict[str, Any]]", system) if isinstance(system, list) else []
