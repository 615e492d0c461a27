"""Tools and the choice among them, in the Responses API: flat where chat completions nest."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import Tool, ToolChoice, ToolMode
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.chat.tools import NO_PARAMETERS

_MODES = {"auto": ToolMode.AUTO, "none": ToolMode.NONE, "required": ToolMode.REQUIRED}


def read(request: JsonObject, extra: Extra) -> tuple[Tool, ...]:
    """The functions; a tool that its vendor runs itself stands in `extra` by its type. Raises: InvalidRequest."""
    tools: list[Tool] = []
    for item in request.objects("tools"):
        kind = item.need_text("type")
        if kind != "function":
            extra.append((item.at("type"), msgspec.json.encode(kind).decode()))
            continue
        name = item.need_text("name")
        parameters = item.need_schema("parameters") if item.kind("parameters") else NO_PARAMETERS
        item.skip("parameters")
        tools.append(Tool(name=name, description=item.text("description"), parameters=parameters, strict=item.flag("strict")))
        item.left(extra)
    return tuple(tools)


def read_choice(request: JsonObject, extra: Extra) -> ToolChoice | None:
    """`tool_choice` and `parallel_tool_calls` together, None where neither is given. Raises: InvalidRequest."""
    parallel = request.flag("parallel_tool_calls")
    kind = request.kind("tool_choice")
    if kind == "":
        request.skip("tool_choice")
        return None if parallel is None else ToolChoice(parallel=parallel)
    if kind == "string":
        word = request.need_text("tool_choice")
        mode = _MODES.get(word)
        if mode is None:
            raise InvalidRequest(f"`tool_choice` has the unknown value {word[:40]!r}.", param="tool_choice")
        return ToolChoice(mode=mode, parallel=parallel)
    choice = request.need_object("tool_choice")
    if choice.need_text("type") != "function":
        choice.whole(extra)
        return None if parallel is None else ToolChoice(parallel=parallel)
    named = ToolChoice(mode=ToolMode.NAMED, name=choice.need_text("name"), parallel=parallel)
    choice.left(extra)
    return named
