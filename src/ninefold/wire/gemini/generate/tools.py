"""Functions and the choice among them."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ninefold.domain.call import Wire
from ninefold.domain.chat import Tool, ToolChoice, ToolMode
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import schema
from ninefold.wire.json_object import Extra

_NO_PARAMETERS = '{"type":"object","properties":{}}'
_MODES = {
    "AUTO": ToolMode.AUTO,
    "MODE_UNSPECIFIED": ToolMode.AUTO,
    "VALIDATED": ToolMode.AUTO,
    "ANY": ToolMode.REQUIRED,
    "NONE": ToolMode.NONE,
}
_WORDS = {ToolMode.AUTO: "AUTO", ToolMode.NONE: "NONE", ToolMode.REQUIRED: "ANY", ToolMode.NAMED: "ANY"}
_PARALLEL = {Wire.ANTHROPIC: "tool_choice.disable_parallel_tool_use"}


def read(request: CamelObject, extra: Extra) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The caller's functions and its choice; what Google runs itself (search, code) stands in `extra`. Raises: InvalidRequest."""
    tools: list[Tool] = []
    for item in request.objects("tools"):
        tools += [_read_tool(each, extra) for each in item.objects("functionDeclarations")]
        item.left(extra)
    config = request.object("toolConfig")
    calling = None if config is None else config.object("functionCallingConfig")
    choice: ToolChoice | None = None
    found = tuple(tools)
    if calling is not None:
        word = (calling.text("mode") or "AUTO").upper()
        choice = _read_choice(word, calling, found, extra)
        calling.left(extra, {"streamFunctionCallArguments": (False,)})
        if word == "VALIDATED":
            found = tuple(replace(tool, strict=True) for tool in found)
    if config is not None:
        config.left(extra)
    return found, choice


def _read_tool(item: CamelObject, extra: Extra) -> Tool:
    name, description = item.need_text("name"), item.text("description")
    if item.kind("parametersJsonSchema"):
        parameters = item.need_schema("parametersJsonSchema")
        if item.kind("parameters"):
            raise InvalidRequest("Parameters are given in one way only.", param=item.at("parameters"))
    elif item.kind("parameters"):
        parameters = schema.to_json_schema(item.need_schema("parameters"), item.at("parameters"))
    else:
        parameters = _NO_PARAMETERS
    # What a function returns is described for the model alone and binds nobody.
    item.skip("response", "responseJsonSchema")
    item.left(extra, {"behavior": ("UNSPECIFIED", "BLOCKING")})
    return Tool(name=name, description=description, parameters=parameters)


def _read_choice(word: str, calling: CamelObject, tools: tuple[Tool, ...], extra: Extra) -> ToolChoice:
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(f"`{calling.at('mode')}` has the unknown value {word[:40]!r}.", param=calling.at("mode"))
    allowed = calling.texts("allowedFunctionNames")
    if not allowed or {tool.name for tool in tools} == set(allowed):
        single = mode is ToolMode.REQUIRED and len(allowed) == 1
        return ToolChoice(mode=ToolMode.NAMED, name=allowed[0]) if single else ToolChoice(mode=mode)
    if mode is ToolMode.REQUIRED and len(allowed) == 1:
        return ToolChoice(mode=ToolMode.NAMED, name=allowed[0])
    extra.append((calling.at("allowedFunctionNames"), msgspec.json.encode(allowed).decode()))
    return ToolChoice(mode=mode)


def write(tools: tuple[Tool, ...]) -> list[dict[str, object]]:
    """The `tools` array; schemas stand as they were written, and an empty one is left out, which says the same."""
    declared: list[dict[str, object]] = []
    for tool in tools:
        item: dict[str, object] = {"name": tool.name}
        if tool.description is not None:
            item["description"] = tool.description
        if tool.parameters.translate({32: None, 9: None, 10: None, 13: None}) not in {"{}", _NO_PARAMETERS}:
            item["parametersJsonSchema"] = msgspec.Raw(tool.parameters.encode())
        declared.append(item)
    return [{"functionDeclarations": declared}] if declared else []


def write_choice(choice: ToolChoice | None, tools: tuple[Tool, ...], *, wire: Wire) -> dict[str, object]:
    """`toolConfig`; left out without functions, where the API refuses it and it says nothing.

    A strict function makes the mode VALIDATED, in which calls keep to their schemas. Raises: Unsupported for one call at a time.
    Source: ai.google.dev/gemini-api/docs/function-calling, "Function calling modes".
    """
    if not tools:
        if choice is not None and choice.mode in {ToolMode.REQUIRED, ToolMode.NAMED}:
            raise Unsupported("There is no tool that could be called.", param="tool_choice")
        return {}
    if choice is not None and choice.parallel is False and choice.mode is not ToolMode.NONE:
        raise Unsupported("Gemini cannot be kept from calling several tools at once.", param=_PARALLEL.get(wire, "parallel_tool_calls"))
    mode = ToolMode.AUTO if choice is None else choice.mode
    word = "VALIDATED" if mode is ToolMode.AUTO and any(tool.strict for tool in tools) else _WORDS[mode]
    if choice is None and word == "AUTO":
        return {}
    calling: dict[str, object] = {"mode": word}
    if choice is not None and mode is ToolMode.NAMED:
        calling["allowedFunctionNames"] = [choice.name]
    return {"toolConfig": {"functionCallingConfig": calling}}
