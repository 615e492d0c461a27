"""Turns as a system prompt and messages."""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.domain.chat import Role, Text, ToolResult, Turn
from ninefold.domain.errors import Unsupported
from ninefold.wire.bedrock.converse.content import Block, BlockWriter
from ninefold.wire.bedrock.model_family import Family

_TEXT_ONLY = {Role.SYSTEM, Role.DEVELOPER}


def write(turns: Sequence[Turn], family: Family) -> tuple[list[Block], list[Block]]:
    """The system blocks and the messages; neighbours of one role become one message, and a turn that says nothing is left out.

    System turns from the middle of a conversation join the system prompt. Raises: Unsupported.
    """
    writer = BlockWriter(family)
    system: list[Block] = []
    messages: list[tuple[str, list[Block]]] = []
    for number, turn in enumerate(turns):
        path = f"messages[{number}]"
        if turn.name is not None:
            raise Unsupported("Bedrock has no names for those who speak.", param=f"{path}.name")
        blocks = _blocks(turn, path, writer)
        if turn.role in _TEXT_ONLY:
            system += blocks
            continue
        if not blocks:
            continue
        role = "assistant" if turn.role is Role.ASSISTANT else "user"
        if messages and messages[-1][0] == role:
            messages[-1][1].extend(blocks)
        else:
            messages.append((role, blocks))
    if not messages:
        raise Unsupported("Bedrock needs at least one message that says something.", param="messages")
    return system, [{"role": role, "content": blocks} for role, blocks in messages]


def _blocks(turn: Turn, path: str, writer: BlockWriter) -> list[Block]:
    blocks: list[Block] = []
    for index, part in enumerate(turn.parts):
        where = path if isinstance(part, ToolResult) else f"{path}.content[{index}]"
        if turn.role in _TEXT_ONLY and not isinstance(part, Text):
            raise Unsupported("A system prompt holds text only.", param=where)
        blocks += writer.blocks(part, where)
    return blocks
