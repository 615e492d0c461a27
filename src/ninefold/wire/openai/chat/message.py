"""One message of a chat completions request, as a turn."""

from __future__ import annotations

from dataclasses import replace

from ninefold.domain.chat import Document, Image, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult, Turn
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import call_ids
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.chat import content, reasoning

_ROLES = {role.value: role for role in Role}
# What a client sends back when it echoes an answer as it came.
_ECHOED = {"annotations": ([],), "tool_calls": ([],), "reasoning_details": ([],), "reasoning": ("",), "reasoning_content": ("",)}


def read(message: JsonObject, extra: Extra) -> Turn:
    """The turn. Raises: InvalidRequest; Unsupported for the messages that function calls had before tools."""
    word = message.need_text("role")
    if word == "function":
        raise Unsupported("Messages of the role `function` were replaced by `tool` messages.", param=message.at("role"))
    role = _ROLES.get(word)
    if role is None:
        raise InvalidRequest(f"`{message.at('role')}` has the unknown value {word[:40]!r}.", param=message.at("role"))
    name = message.text("name")
    if role is not Role.ASSISTANT and not message.kind("content"):
        raise InvalidRequest(f"`{message.at('content')}` is missing.", param=message.at("content"))
    if role is Role.TOOL:
        call_id = message.need_text("tool_call_id")
        parts: list[Part] = [_result(call_id, content.read(message, extra), message.path)]
    elif role is Role.ASSISTANT:
        parts = _answer(message, extra)
    else:
        parts = content.read(message, extra)
    message.left(extra, _ECHOED)
    return Turn(role=role, parts=tuple(parts), name=name)


def _result(call_id: str, parts: list[Part], path: str) -> ToolResult:
    kept: list[Text | Image | Document] = []
    for index, part in enumerate(parts):
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest("A tool's result cannot hold this part.", param=f"{path}.content[{index}]")
        kept.append(part)
    return ToolResult(call_id=call_id, parts=tuple(kept))


def _answer(message: JsonObject, extra: Extra) -> list[Part]:
    parts: list[Part] = list(_thoughts(message))
    parts += content.read(message, extra)
    refusal = message.text("refusal")
    if refusal:
        parts.append(Refusal(text=refusal))
    for item in message.objects("tool_calls"):
        kind = item.text("type")
        if kind not in {None, "function"}:
            item.whole(extra)
            continue
        call_id = item.need_text("id")
        function = item.need_object("function")
        called = function.need_text("name")
        parts.append(ToolCall(call_id=call_id, name=called, arguments=function.text("arguments") or ""))
        function.left(extra)
        item.skip("index")
        item.left(extra)
    return parts


def _thoughts(message: JsonObject) -> tuple[Reasoning, ...]:
    details = [
        reasoning.Detail(
            type=entry.need_text("type"),
            text=entry.text("text"),
            summary=entry.text("summary"),
            signature=entry.text("signature"),
            data=entry.text("data"),
        )
        for entry in message.objects("reasoning_details")
    ]
    found = reasoning.blocks(details)
    text = message.text("reasoning_content")
    other = message.text("reasoning")
    if found:
        return found
    text = text or other
    return (Reasoning(text=text),) if text else ()


def write(turn: Turn, path: str, offset: int) -> list[dict[str, object]]:
    """The messages of one turn: one, but for tool results, which have a message each.

    `path` is the turn's place in the caller's request and `offset` the number of the caller's parts before the turn's first.
    Raises: Unsupported.
    """
    if turn.role is Role.TOOL:
        return [_write_result(part, f"{path}.content[{offset + index}]") for index, part in enumerate(turn.parts)]
    message: dict[str, object] = {"role": turn.role.value}
    if turn.name is not None:
        message["name"] = turn.name
    if turn.role is Role.ASSISTANT:
        _write_answer(turn.parts, path, message)
        return [message]
    allowed = Text | Image | Document if turn.role is Role.USER else Text
    for index, part in enumerate(turn.parts):
        if not isinstance(part, allowed):
            raise Unsupported(f"A {turn.role.value} message cannot hold this part.", param=f"{path}.content[{offset + index}]")
    message["content"] = _content(turn.parts, path, offset)
    return [message]


def _content(parts: tuple[Part, ...], path: str, offset: int = 0) -> object:
    """A string where it is one plain text, as templates of small servers expect; else the parts."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].text:
        return parts[0].text
    return [content.write(part, f"{path}.content[{offset + index}]") for index, part in enumerate(parts)]


def _write_answer(parts: tuple[Part, ...], path: str, message: dict[str, object]) -> None:
    """Reasoning, then text, then calls: the only order this protocol has."""
    said = tuple(part for part in parts if isinstance(part, Text))
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    for index, part in enumerate(parts):
        if not isinstance(part, Text | Refusal | ToolCall | Reasoning):
            raise Unsupported("An assistant message cannot hold this part.", param=f"{path}.content[{index}]")
    message["content"] = _content(said, path) if said or not (calls or refusals) else None
    if refusals:
        message["refusal"] = "".join(refusals)
    message.update(reasoning.members([part for part in parts if isinstance(part, Reasoning)]))
    if calls:
        message["tool_calls"] = [tool_call(replace(call, call_id=call_ids.bare(call.call_id))) for call in calls]


def tool_call(call: ToolCall) -> dict[str, object]:
    """One entry of `tool_calls`."""
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _write_result(part: Part, path: str) -> dict[str, object]:
    """A tool message. That the call failed has no member here and is said in the text, as OpenAI's guides do."""
    if not isinstance(part, ToolResult):
        raise Unsupported("A tool message cannot hold this part.", param=path)
    for index, item in enumerate(part.parts):
        if not isinstance(item, Text):
            raise Unsupported("A tool message holds text only, no pictures and no files.", param=f"{path}.content[{index}]")
    parts = tuple(item for item in part.parts if isinstance(item, Text))
    if part.is_error and not (parts and parts[0].text.lower().startswith("error")):
        first = Text(text=f"Error: {parts[0].text}" if parts else "Error")
        parts = (first, *parts[1:])
    return {"role": "tool", "tool_call_id": call_ids.bare(part.call_id), "content": _content(parts, path)}
