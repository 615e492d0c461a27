"""Messages and the system prompt, as turns."""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.domain.chat import Part, Role, Text, ToolResult, Turn
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.anthropic.messages import content
from ninefold.wire.json_object import Extra, JsonObject

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_TEXT_ONLY = {Role.SYSTEM, Role.DEVELOPER}


def read_system(request: JsonObject, extra: Extra) -> list[Turn]:
    """The system prompt as one turn; none where it is empty."""
    parts = content.read(request, extra, "system")
    return [Turn(role=Role.SYSTEM, parts=tuple(parts))] if parts else []


def read(message: JsonObject, extra: Extra) -> list[Turn]:
    """The turns of one message: tool results and what the user adds to them are turns of their own. Raises: InvalidRequest."""
    word = message.need_text("role")
    role = _ROLES.get(word)
    if role is None:
        raise InvalidRequest(f"`{message.at('role')}` has the unknown value {word[:40]!r}.", param=message.at("role"))
    if not message.kind("content"):
        raise InvalidRequest(f"`{message.at('content')}` is missing.", param=message.at("content"))
    parts = content.read(message, extra)
    message.left(extra)
    if role is not Role.USER:
        return [Turn(role=role, parts=tuple(parts))]
    turns: list[Turn] = []
    group: list[Part] = []
    for part in parts:
        if group and isinstance(part, ToolResult) != isinstance(group[-1], ToolResult):
            turns.append(_user(group))
            group = []
        group.append(part)
    turns.append(_user(group))
    return turns


def _user(parts: list[Part]) -> Turn:
    return Turn(role=Role.TOOL if parts and isinstance(parts[0], ToolResult) else Role.USER, parts=tuple(parts))


def write(turns: Sequence[Turn]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The system blocks and the messages. Neighbours of one role become one message; a turn that says nothing is left out.

    System turns from the middle of a conversation join the system prompt, as in Anthropic's own translation of OpenAI requests:
    most models take none among the messages. Source: docs.anthropic.com "OpenAI SDK compatibility", system message hoisting.
    Raises: Unsupported.
    """
    system: list[dict[str, object]] = []
    messages: list[tuple[str, list[dict[str, object]]]] = []
    for number, turn in enumerate(turns):
        path = f"messages[{number}]"
        if turn.name is not None:
            raise Unsupported("Anthropic has no names for those who speak.", param=f"{path}.name")
        blocks = _blocks(turn, path)
        if turn.role in _TEXT_ONLY:
            system += blocks
            continue
        role = "assistant" if turn.role is Role.ASSISTANT else "user"
        if not blocks:
            continue
        if messages and messages[-1][0] == role:
            messages[-1][1].extend(blocks)
        else:
            messages.append((role, blocks))
    if not messages:
        raise Unsupported("Anthropic needs at least one message that says something.", param="messages")
    return system, [{"role": role, "content": _short(blocks)} for role, blocks in messages]


def _blocks(turn: Turn, path: str) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    for index, part in enumerate(turn.parts):
        where = path if isinstance(part, ToolResult) else f"{path}.content[{index}]"
        if turn.role in _TEXT_ONLY and not isinstance(part, Text):
            raise Unsupported("A system prompt holds text only.", param=where)
        block = content.write(part, where)
        if block is not None:
            blocks.append(block)
    return blocks


def _short(blocks: list[dict[str, object]]) -> object:
    """A string where it is one plain text, else the blocks."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks
