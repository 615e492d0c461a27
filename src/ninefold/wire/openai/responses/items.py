"""The items of a Responses `input`, as turns.

Source: platform.openai.com/docs/api-reference/responses/create, `input`.
"""

from __future__ import annotations

from ninefold.domain.chat import Document, Image, Part, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.responses import content, sealed

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.DEVELOPER}
# How far an item of an answer had got: an echo, not a question.
_ECHOED = ("id", "status")


def read(request: JsonObject, extra: Extra) -> list[Turn]:
    """The turns of `input`. What one answer said, thought and called is one turn, though it is several items.

    Raises: InvalidRequest with the item's path.
    """
    if request.kind("input") == "string":
        text = request.need_text("input")
        return [Turn(role=Role.USER, parts=(Text(text=text),) if text else ())]
    turns: list[Turn] = []
    for item in request.objects("input"):
        found = _read_item(item, extra)
        if found is None:
            continue
        role, parts = found
        if role is Role.ASSISTANT and turns and turns[-1].role is Role.ASSISTANT:
            turns[-1] = Turn(role=role, parts=(*turns[-1].parts, *parts))
        else:
            turns.append(Turn(role=role, parts=tuple(parts)))
    return turns


def _read_item(item: JsonObject, extra: Extra) -> tuple[Role, list[Part]] | None:
    """The speaker and the parts; None for an item that stands in `extra`."""
    kind = item.text("type") or ("message" if item.kind("role") else "item_reference")
    item.skip(*_ECHOED)
    found: tuple[Role, list[Part]]
    if kind == "message":
        found = _read_message(item, extra)
    elif kind == "function_call":
        call_id = item.need_text("call_id")
        call = ToolCall(call_id=call_id, name=item.need_text("name"), arguments=item.text("arguments") or "")
        found = Role.ASSISTANT, [call]
    elif kind == "function_call_output":
        found = Role.TOOL, [_read_result(item, extra)]
    elif kind == "reasoning":
        found = Role.ASSISTANT, list(_read_reasoning(item, extra))
    else:
        item.whole(extra)
        return None
    item.left(extra, {"content": ([],)})
    return found


def _read_message(item: JsonObject, extra: Extra) -> tuple[Role, list[Part]]:
    word = item.need_text("role")
    role = _ROLES.get(word)
    if role is None:
        raise InvalidRequest(f"`{item.at('role')}` has the unknown value {word[:40]!r}.", param=item.at("role"))
    if not item.kind("content"):
        raise InvalidRequest(f"`{item.at('content')}` is missing.", param=item.at("content"))
    return role, content.read(item, "content", extra)


def _read_result(item: JsonObject, extra: Extra) -> ToolResult:
    call_id = item.need_text("call_id")
    if not item.kind("output"):
        raise InvalidRequest(f"`{item.at('output')}` is missing.", param=item.at("output"))
    kept: list[Text | Image | Document] = []
    for index, part in enumerate(content.read(item, "output", extra)):
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest("A tool's output cannot hold this part.", param=f"{item.path}.output[{index}]")
        kept.append(part)
    return ToolResult(call_id=call_id, parts=tuple(kept))


def _read_reasoning(item: JsonObject, extra: Extra) -> tuple[Reasoning, ...]:
    """The reasoning; what OpenAI encrypted is in `extra`, as nobody else can read it."""
    text = "".join(part.need_text("text") for part in (*item.objects("summary"), *item.objects("content")))
    encrypted = item.text("encrypted_content")
    if encrypted is None:
        return (Reasoning(text=text),) if text else ()
    if not sealed.is_ours(encrypted):
        extra.append((item.at("encrypted_content"), '"encrypted by OpenAI"'))
        return ()
    return (sealed.unseal(text, encrypted),)
