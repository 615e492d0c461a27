"""Tokens counted without a vendor's tokeniser."""

from __future__ import annotations

import re

from ninefold.domain.chat import ChatRequest, Document, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

# Shape of byte-pair vocabularies: a common word is one token with its leading space, longer ones break about every seven letters,
# digits go in threes, punctuation in short runs, and characters beyond Latin scripts cost about one token each.
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|[\u00c0-\u024f\u0370-\u05ff]+|\s+|[^\x00-\x7f]|[^\sA-Za-z0-9]{1,3}")
_TURN_TOKENS = 4
_IMAGE_TOKENS = 1_600


def estimate(text: str) -> int:
    """About how many tokens `text` is; within some fifteen per cent for English prose, no bound in either direction."""
    total = 0
    for piece in _PIECE.findall(text):
        first = piece[0]
        if first.isspace():
            total += 0 if len(piece) == 1 else 1
        elif first.isdigit() and first.isascii():
            total += -(-len(piece) // 3)
        elif first.isascii() and first.isalpha():
            total += 1 + (len(piece) - 1) // 8
        elif len(piece) > 1 and not first.isascii():
            total += -(-len(piece) // 3)
        else:
            total += 1
    return total


def estimate_request(request: ChatRequest) -> int:
    """About how many input tokens `request` is, tools and pictures included."""
    total = 3
    for turn in request.turns:
        total += _TURN_TOKENS
        for part in turn.parts:
            total += _part(part)
    for tool in request.tools:
        total += 8 + estimate(tool.name) + estimate(tool.description or "") + estimate(tool.parameters)
    return total + estimate(request.output.schema or "")


def _part(part: Text | Image | Document | Reasoning | Refusal | ToolCall | ToolResult) -> int:
    if isinstance(part, Image):
        return _IMAGE_TOKENS
    if isinstance(part, Document):
        return estimate(part.text) if part.text is not None else max(len(part.data or "") // 16, _IMAGE_TOKENS)
    if isinstance(part, ToolCall):
        return 6 + estimate(part.name) + estimate(part.arguments)
    if isinstance(part, ToolResult):
        return 6 + sum(_part(inner) for inner in part.parts)
    return estimate(part.text)
