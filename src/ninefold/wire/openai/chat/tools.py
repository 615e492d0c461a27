"""Tools and the choice among them, in chat completions."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import Tool, ToolChoice, ToolMode
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_object import Extra, JsonObject

# Source: "Omitting `parameters` defines a function with an empty parameter list" (OpenAI API reference, function definition).
NO_PARAMETERS = '{"type":"object","properties":{}}'
_MODES = {"auto": ToolMode.AUTO, "none": ToolMode.NONE, "required": ToolMode.REQUIRED}


def read(request: JsonObject, extra: Extra) -> tuple[Tool, ...]:
    """The functions; other kinds of tools stand in `extra`. Raises: InvalidRequest."""
    tools: list[Tool] = []
    for item in request.objects("tools"):
        if item.need_text("type") != "function":
            item.whole(extra)
            continue
        function = item.need_object("function")
        tools.append(
            Tool(
                name=function.need_text("name"),
                description=function.text("description"),
                parameters=function.need_schema("parameters") if function.kind("parameters") else NO_PARAMETERS,
                strict=function.flag("strict"),
            )
        )
        function.skip("parameters")
        function.left(extra)
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
    function = choice.need_object("function")
    named = ToolChoice(mode=ToolMode.NAMED, name=function.need_text("name"), parallel=parallel)
    function.left(extra)
    choice.left(extra)
    return named


def write(tools: tuple[Tool, ...]) -> list[dict[str, object]]:
    """The `tools` array; parameters stand as they were written."""
    written: list[dict[str, object]] = []
    for tool in tools:
        function: dict[str, object] = {"name": tool.name}
        if tool.description is not None:
            function["description"] = tool.description
        function["parameters"] = msgspec.Raw(tool.parameters.encode())
        if tool.strict is not None:
            function["strict"] = tool.strict
        written.append({"type": "function", "function": function})
    return written


def write_choice(choice: ToolChoice | None, *, any_tools: bool) -> dict[str, object]:
    """`tool_choice` and `parallel_tool_calls`; neither without tools, where the API refuses them and they say nothing."""
    if choice is None or (not any_tools and choice.mode in {ToolMode.AUTO, ToolMode.NONE}):
        return {}
    members: dict[str, object] = {}
    if choice.mode is ToolMode.NAMED:
        members["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        members["tool_choice"] = choice.mode.value
    if choice.parallel is not None:
        members["parallel_tool_calls"] = choice.parallel
    return members
