"""Tools and the choice among them.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html.
"""

from __future__ import annotations

import re

import msgspec

from ninefold.domain.chat import ChatRequest, Tool, ToolCall, ToolMode, ToolResult
from ninefold.domain.errors import Unsupported
from ninefold.wire.bedrock.converse.content import Block, cache_point
from ninefold.wire.bedrock.model_family import Family

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NO_PARAMETERS = b'{"type":"object","properties":{}}'


def write(request: ChatRequest, family: Family) -> Block | None:
    """`toolConfig`; None where no tool is to be called. Raises: Unsupported."""
    choice = request.tool_choice
    if choice is not None and choice.parallel is False and request.tools:
        raise Unsupported("Converse cannot keep a model to one call at a time; leave this out.", param="parallel_tool_calls")
    if choice is not None and choice.mode is ToolMode.NONE:
        # There is no word for "none". Without tools none is called, but past calls have to be explained by the tools they were made to.
        if any(isinstance(part, ToolCall | ToolResult) for turn in request.turns for part in turn.parts):
            raise Unsupported("Converse cannot forbid calls in a conversation that holds some.", param="tool_choice")
        return None
    if not request.tools:
        return None
    written: list[Block] = []
    for index, tool in enumerate(request.tools):
        written.append({"toolSpec": _tool(tool, f"tools[{index}]")})
        mark = cache_point(tool.cache, family) if family is Family.CLAUDE else None
        if mark is not None:
            written.append(mark)
    config: Block = {"tools": written}
    if choice is not None and choice.mode is ToolMode.REQUIRED:
        config["toolChoice"] = {"any": {}}
    elif choice is not None and choice.mode is ToolMode.NAMED:
        config["toolChoice"] = {"tool": {"name": choice.name}}
    elif choice is not None:
        config["toolChoice"] = {"auto": {}}
    return config


def _tool(tool: Tool, path: str) -> Block:
    if not _NAME.fullmatch(tool.name):
        raise Unsupported("Bedrock's names of tools are 1 to 64 letters, digits, underscores and hyphens.", param=f"{path}.name")
    schema = tool.parameters.encode()
    empty = schema.translate(None, b" \t\r\n") == b"{}"
    written: Block = {"name": tool.name, "inputSchema": {"json": msgspec.Raw(_NO_PARAMETERS if empty else schema)}}
    if tool.description:
        written["description"] = tool.description
    if tool.strict is not None:
        written["strict"] = tool.strict
    return written
