"""Whole answers as legacy completions.

Source: platform.openai.com/docs/api-reference/completions/object.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatResult, Choice, FinishReason, Refusal, Text
from ninefold.wire.openai.chat import finish, usage


def encode(result: ChatResult, *, model: str, result_id: str, created: int) -> bytes:
    """The answer as one object. A refusal is the text there is; reasoning has no place in a completed text."""
    return msgspec.json.encode(
        {
            "id": result_id,
            "object": "text_completion",
            "created": created,
            "model": model,
            "choices": [_write_choice(choice, index) for index, choice in enumerate(result.choices)],
            "usage": usage.members(result.usage),
        }
    )


def _write_choice(choice: Choice, index: int) -> dict[str, object]:
    text = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
    return {"text": text, "index": index, "logprobs": None, "finish_reason": word(choice.finish)}


def word(reason: FinishReason) -> str:
    """The `finish_reason`: stop, length or content_filter; nothing is called here."""
    return "stop" if reason is FinishReason.TOOL_CALLS else finish.word(reason)
