"""Tools and the choice among them, in messages."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import Tool, ToolChoice, ToolMode
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.anthropic.messages import content
from ninefold.wire.json_object import Extra, JsonObject

_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "none": ToolMode.NONE, "tool": ToolMode.NAMED}
_WORDS = {mode: word for word, mode in _MODES.items()}
# Defaults, and how eagerly arguments are streamed, which changes nothing in them.
_HARMLESS = {
    "defer_loading": (False,),
    "allowed_callers": (["direct"],),
    "input_examples": ([],),
    "eager_input_streaming": (True, False),
}
_NO_PARAMETERS = b'{"type":"object","properties":{}}'


def read(request: JsonObject, extra: Extra) -> tuple[Tool, ...]:
    """The caller's own tools; those that Anthropic runs itself (web search and the like) stand in `extra`. Raises: InvalidRequest."""
    tools: list[Tool] = []
    for item in request.objects("tools"):
        if item.text("type") not in {None, "custom"}:
            item.whole(extra)
            continue
        tools.append(
            Tool(
                name=item.need_text("name"),
                description=item.text("description"),
                parameters=item.need_schema("input_schema"),
                strict=item.flag("strict"),
                cache=content.read_cache(item, extra),
            )
        )
        item.left(extra, _HARMLESS)
    return tuple(tools)


def read_choice(request: JsonObject, extra: Extra) -> ToolChoice | None:
    """`tool_choice`. Raises: InvalidRequest."""
    choice = request.object("tool_choice")
    if choice is None:
        return None
    word = choice.need_text("type")
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(f"`tool_choice.type` has the unknown value {word[:40]!r}.", param="tool_choice.type")
    single = choice.flag("disable_parallel_tool_use")
    name = choice.need_text("name") if mode is ToolMode.NAMED else None
    choice.left(extra)
    return ToolChoice(mode=mode, name=name, parallel=None if single is None else not single)


def write(tools: tuple[Tool, ...]) -> list[dict[str, object]]:
    """The `tools` array; schemas stand as they were written, but for the empty one, which has to say that it is an object's."""
    written: list[dict[str, object]] = []
    for tool in tools:
        item: dict[str, object] = {"name": tool.name}
        if tool.description is not None:
            item["description"] = tool.description
        schema = tool.parameters.encode()
        item["input_schema"] = msgspec.Raw(_NO_PARAMETERS if schema.translate(None, b" \t\r\n") == b"{}" else schema)
        if tool.strict is not None:
            item["strict"] = tool.strict
        mark = content.cache_control(tool.cache)
        if mark is not None:
            item["cache_control"] = mark
        written.append(item)
    return written


def write_choice(choice: ToolChoice | None, *, any_tools: bool) -> dict[str, object]:
    """`tool_choice`; left out without tools, where it says nothing."""
    if choice is None or (not any_tools and choice.mode in {ToolMode.AUTO, ToolMode.NONE}):
        return {}
    written: dict[str, object] = {"type": _WORDS[choice.mode]}
    if choice.mode is ToolMode.NAMED:
        written["name"] = choice.name
    if choice.parallel is not None and choice.mode is not ToolMode.NONE:
        written["disable_parallel_tool_use"] = not choice.parallel
    return {"tool_choice": written}
