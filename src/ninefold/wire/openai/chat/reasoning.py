"""Reasoning in chat completions, which OpenAI itself never shows: the members that compatible servers agreed on.

Plain reasoning is `reasoning_content` (DeepSeek, vLLM up to 0.11) or `reasoning` (vLLM since, Ollama, OpenRouter). A signature or an
encrypted block has its place in `reasoning_details` alone; where that is present it is the whole truth and the plain text repeats it.
Source: docs.vllm.ai "Reasoning Outputs"; openrouter.ai/docs "Preserving reasoning blocks".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ninefold.domain.chat import Reasoning


class Detail(msgspec.Struct):
    """One entry of `reasoning_details`; in a stream entries of one `index` belong together."""

    type: str
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None


DETAILS = msgspec.json.Decoder(list[Detail])


def blocks(details: Sequence[Detail]) -> tuple[Reasoning, ...]:
    """The reasoning that `details` hold."""
    found: list[Reasoning] = []
    for detail in details:
        if detail.type == "reasoning.encrypted":
            if detail.data:
                found.append(Reasoning(redacted=detail.data))
            continue
        text = detail.text or detail.summary or ""
        if text or detail.signature:
            found.append(Reasoning(text=text, signature=detail.signature or None))
    return tuple(found)


def detail(block: Reasoning, index: int) -> dict[str, object]:
    """One entry of `reasoning_details`."""
    if block.redacted is not None:
        return {"type": "reasoning.encrypted", "data": block.redacted, "index": index}
    entry: dict[str, object] = {"type": "reasoning.text", "text": block.text, "index": index}
    if block.signature is not None:
        entry["signature"] = block.signature
    return entry


def members(found: Sequence[Reasoning]) -> dict[str, object]:
    """The members of a message that hold `found`; details only where plain text would lose something."""
    if not found:
        return {}
    written: dict[str, object] = {}
    text = "".join(block.text for block in found)
    if text:
        written["reasoning_content"] = text
    if len(found) > 1 or found[0].signature is not None or found[0].redacted is not None:
        written["reasoning_details"] = [detail(block, index) for index, block in enumerate(found)]
    return written
