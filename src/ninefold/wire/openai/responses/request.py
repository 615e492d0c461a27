"""Responses requests as conversations, for vendors of another protocol.

Source: platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

from dataclasses import replace

from ninefold.domain.chat import ChatRequest, OutputFormat, OutputKind, ReasoningEffort, Role, Sampling, Text, Turn
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.responses import items, tools
from ninefold.wire.openai.responses.ids import OURS

_HARMLESS = {
    "truncation": ("disabled",),
    "service_tier": ("auto",),
    "top_logprobs": (0,),
    "background": (False,),
    "conversation": ({},),
    "context_management": ([],),
}
# What these add is part of a tool's own findings, of which there are none, or of reasoning, which is always complete here.
_INCLUDED = {
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
}


def decode(body: bytes) -> ChatRequest:
    """The request in `body`, into which the surface has put the turns that came before.

    `metadata` and `store` are the gateway's own. Paths in errors count the items of `input` with those that were put before it.
    Raises: InvalidRequest with the path of the offending field, for malformed JSON too.
    """
    request = JsonObject.of_body(body)
    extra: Extra = []
    turns: list[Turn] = []
    instructions = request.text("instructions") if request.kind("instructions") in {"string", ""} else None
    if instructions:
        turns.append(Turn(role=Role.SYSTEM, parts=(Text(text=instructions),)))
    turns += items.read(request, extra)
    previous = request.text("previous_response_id")
    if previous is not None and not previous.startswith(OURS):
        extra.append(("previous_response_id", '"of a vendor"'))
    for index, name in enumerate(request.texts("include")):
        if name not in _INCLUDED:
            extra.append((f"include[{index}]", f'"{name}"'))
    options = request.object("stream_options")
    if options is not None:
        options.skip("include_obfuscation", "include_usage")
        options.left(extra)
    output = _read_output(request, extra)
    request.skip("metadata", "store")
    decoded = ChatRequest(
        model=request.need_text("model"),
        turns=tuple(turns),
        tools=tools.read(request, extra),
        tool_choice=tools.read_choice(request, extra),
        output=output,
        sampling=Sampling(temperature=request.number("temperature"), top_p=request.number("top_p")),
        reasoning=_read_effort(request, extra),
        max_output_tokens=request.integer("max_output_tokens", least=1),
        stream=request.flag("stream") or False,
        include_usage=True,
        user=request.text("user"),
    )
    request.left(extra, _HARMLESS)
    return replace(decoded, extra=tuple(extra)) if extra else decoded


def _read_effort(request: JsonObject, extra: Extra) -> ReasoningEffort | None:
    """The effort. A summary is whatever reasoning the vendor shows."""
    reasoning = request.object("reasoning")
    if reasoning is None:
        return None
    level = reasoning.text("effort")
    reasoning.skip("summary", "generate_summary")
    reasoning.left(extra, {"context": ("auto",), "mode": ("standard",)})
    if level is None:
        return None
    return ReasoningEffort(disabled=True) if level == "none" else ReasoningEffort(level=level)


def _read_output(request: JsonObject, extra: Extra) -> OutputFormat:
    text = request.object("text")
    if text is None:
        return OutputFormat()
    shape = text.object("format")
    verbosity = text.verbatim("verbosity")
    if verbosity is not None and verbosity != '"medium"':
        extra.append(("text.verbosity", verbosity))
    text.left(extra)
    if shape is None:
        return OutputFormat()
    kind = shape.need_text("type")
    if kind == "json_schema":
        output = OutputFormat(
            kind=OutputKind.JSON_SCHEMA,
            name=shape.need_text("name"),
            schema=shape.need_schema("schema"),
            description=shape.text("description"),
            strict=shape.flag("strict"),
        )
    elif kind in {"text", "json_object"}:
        output = OutputFormat(kind=OutputKind(kind))
    else:
        raise InvalidRequest(f"`text.format.type` has the unknown value {kind[:40]!r}.", param="text.format.type")
    shape.left(extra)
    return output
