"""The output items of a response: messages, calls, reasoning.

Source: platform.openai.com/docs/api-reference/responses/object, `output`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.domain.chat import FinishReason, Reasoning, Refusal, Text, ToolCall
from ninefold.wire.openai.responses import sealed
from ninefold.wire.openai.responses.ids import item_id

Item = dict[str, object]


def text(said: str) -> Item:
    """A part of a message."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": said}


def refusal(said: str) -> Item:
    """A part of a message that says why there is no answer."""
    return {"type": "refusal", "refusal": said}


def message(name: str, content: Sequence[Item], status: str) -> Item:
    """What the model said."""
    return {"id": name, "type": "message", "status": status, "content": list(content), "role": "assistant"}


def function_call(name: str, call: ToolCall, status: str) -> Item:
    """A call the model wants made."""
    return {
        "id": name,
        "type": "function_call",
        "status": status,
        "arguments": call.arguments,
        "call_id": call.call_id,
        "name": call.name,
    }


def summary(said: str) -> Item:
    """A part of reasoning."""
    return {"type": "summary_text", "text": said}


def reasoning(name: str, block: Reasoning) -> Item:
    """What the model thought; text that its vendor shows is its summary."""
    shown = [summary(block.text)] if block.text else []
    item: Item = {"id": name, "type": "reasoning", "summary": shown}
    encrypted = sealed.seal(block.signature, block.redacted)
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def items(parts: Sequence[Text | Reasoning | Refusal | ToolCall], response: str, *, cut: bool) -> list[Item]:
    """The items of one answer: neighbouring texts and refusals are one message. Where the answer was `cut`, its last item is too."""
    found: list[Item] = []
    content: list[Item] | None = None
    for part in parts:
        if isinstance(part, Text | Refusal):
            if content is None:
                content = []
                found.append(message(item_id("msg", response, len(found)), (), "completed"))
                found[-1]["content"] = content
            content.append(text(part.text) if isinstance(part, Text) else refusal(part.text))
            continue
        content = None
        if isinstance(part, Reasoning):
            found.append(reasoning(item_id("rs", response, len(found)), part))
        else:
            found.append(function_call(item_id("fc", response, len(found)), part, "completed"))
    if cut and found and "status" in found[-1]:
        found[-1]["status"] = "incomplete"
    return found


def ending(reason: FinishReason, *, refused: bool) -> tuple[str, str | None]:
    """The status of an answer, and why it is incomplete where it is.

    A refusal in words is an answer here; one without any was filtered. A paused turn is one that is not complete.
    """
    if reason in {FinishReason.LENGTH, FinishReason.PAUSE}:
        return "incomplete", "max_output_tokens"
    if reason is FinishReason.CONTENT_FILTER or (reason is FinishReason.REFUSAL and not refused):
        return "incomplete", "content_filter"
    return "completed", None
