"""Contents and the system instruction, as turns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ninefold.domain.call import Wire
from ninefold.domain.chat import Part, Role, Text, ToolCall, ToolResult, Turn
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import calls, content, signature
from ninefold.wire.json_object import Extra

# `function` is the older name of who answers a call.
_ROLES = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.TOOL, "": Role.USER}
_SYSTEM = {Role.SYSTEM, Role.DEVELOPER}
# Source: ai.google.dev/gemini-api/docs/thought-signatures: models from Gemini 3 on refuse a call without a signature.
_SIGNS = re.compile(r"gemini-([3-9]|\d\d)")


def read_system(request: CamelObject, extra: Extra) -> list[Turn]:
    """The system instruction as one turn; none where it is empty. It may also be a plain string."""
    if request.kind("systemInstruction") == "string":
        text = request.need_text("systemInstruction")
        return [Turn(role=Role.SYSTEM, parts=(Text(text=text),))] if text else []
    found = request.object("systemInstruction")
    if found is None:
        return []
    parts: list[Part] = []
    for item in found.objects("parts"):
        if not item.kind("text"):
            raise InvalidRequest("A system instruction holds text only.", param=item.path)
        text = item.need_text("text")
        item.left(extra)
        parts += [Text(text=text)] if text else []
    found.skip("role")
    found.left(extra)
    return [Turn(role=Role.SYSTEM, parts=tuple(parts))] if parts else []


def read(contents: Sequence[CamelObject], extra: Extra) -> list[Turn]:
    """The turns: what functions returned and what the user adds to it are turns of their own. Raises: InvalidRequest."""
    turns: list[Turn] = []
    pairing = calls.Pairing()
    for item in contents:
        word = item.text("role") or ""
        role = _ROLES.get(word)
        if role is None:
            raise InvalidRequest(f"`{item.at('role')}` has the unknown value {word[:40]!r}.", param=item.at("role"))
        parts = [found for part in item.objects("parts") for found in content.read(part, pairing, extra)]
        item.left(extra)
        if role is Role.ASSISTANT:
            turns.append(Turn(role=role, parts=tuple(parts)))
            continue
        group: list[Part] = []
        for part in parts:
            if group and isinstance(part, ToolResult) != isinstance(group[-1], ToolResult):
                turns.append(_user(group))
                group = []
            group.append(part)
        if group:
            turns.append(_user(group))
    return turns


def _user(parts: list[Part]) -> Turn:
    return Turn(role=Role.TOOL if isinstance(parts[0], ToolResult) else Role.USER, parts=tuple(parts))


def write(turns: Sequence[Turn], *, model: str, wire: Wire) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The parts of the system instruction, and the contents. A turn that says nothing is left out.

    System turns from the middle of a conversation join the instruction, as there is no such role among the contents. Results that
    follow one another become one content: Gemini wants all of a turn's calls answered together. Raises: Unsupported in the words of
    the caller's protocol.
    """
    system: list[dict[str, object]] = []
    contents: list[dict[str, object]] = []
    names: dict[str, str] = {}
    previous: Role | None = None
    for turn, path, offset in _places(turns, wire):
        if turn.name is not None:
            raise Unsupported("Gemini has no names for those who speak.", param=f"{path}.name")
        parts = _parts(turn, path, offset, names, signs=_SIGNS.search(model) is not None)
        if turn.role in _SYSTEM:
            system += parts
            continue
        if not parts:
            continue
        if turn.role is Role.TOOL and previous is Role.TOOL:
            found = contents[-1]["parts"]
            assert isinstance(found, list)
            found.extend(parts)
        else:
            contents.append({"role": "model" if turn.role is Role.ASSISTANT else "user", "parts": parts})
        previous = turn.role
    if not contents:
        raise Unsupported("Gemini needs at least one message that says something.", param="messages")
    return system, contents


def _places(turns: Sequence[Turn], wire: Wire) -> Iterator[tuple[Turn, str, int]]:
    """Each turn with its place in the caller's request, and the number of the caller's parts before its first.

    An OpenAI caller has a message a turn; an Anthropic one has the system text beside its messages, and tool results and what the user
    adds to them in one.
    """
    number, offset = -1, 0
    previous: Turn | None = None
    for turn in turns:
        if wire is Wire.OPENAI:
            number += 1
        elif turn.role in _SYSTEM and number < 0:
            yield turn, "system", 0
            continue
        elif previous is not None and {previous.role, turn.role} == {Role.TOOL, Role.USER}:
            offset += len(previous.parts)
        else:
            number, offset = number + 1, 0
        yield turn, f"messages[{number}]", offset
        previous = turn


def _parts(turn: Turn, path: str, offset: int, names: dict[str, str], *, signs: bool) -> list[dict[str, object]]:
    written: list[dict[str, object]] = []
    stand_in = signature.UNSIGNED if signs else None
    for index, part in enumerate(turn.parts):
        where = f"{path}.content[{offset + index}]"
        if turn.role in _SYSTEM and not isinstance(part, Text):
            raise Unsupported("A system prompt holds text only.", param=where)
        if isinstance(part, ToolCall):
            names[part.call_id] = part.name
            written.append(calls.write_call(part, thought=stand_in))
            stand_in = None  # of parallel calls only the first is signed
        elif isinstance(part, ToolResult):
            name = names.get(part.call_id)
            if name is None:
                raise InvalidRequest("A tool's result answers no call that stands before it.", param=path)
            written.append(calls.write_result(part, name, path))
        else:
            found = content.write(part, where)
            written += [] if found is None else [found]
    return written
