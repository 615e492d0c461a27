"""Chat completions requests, in both directions.

What was read and has no word in the domain stands in `ChatRequest.extra` under its path, so that no target drops it unseen.
Source: platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ninefold.domain.chat import ChatRequest, OutputFormat, OutputKind, ReasoningEffort, Role, Sampling, Turn
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import extra as extras
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.chat import message as messages
from ninefold.wire.openai.chat import tools

_HARMLESS = {
    "store": (False,),
    "modalities": (["text"],),
    "logit_bias": ({},),
    "service_tier": ("auto",),
    "verbosity": ("medium",),
    "functions": ([],),
}
_OWN: extras.Known = dict.fromkeys(
    (
        *("audio", "function_call", "functions", "logit_bias", "modalities", "moderation", "prediction", "prompt_cache_key"),
        *("prompt_cache_options", "prompt_cache_retention", "safety_identifier", "store", "verbosity", "web_search_options"),
    )
) | {"service_tier": ('"auto"', '"default"', '"flex"', '"scale"', '"priority"', '"fast"')}
# The Responses API has the same under another name.
_ELSEWHERE = {"text.verbosity": "verbosity"}
# Anthropic's way of asking for what happens here anyway; a cache mark is a hint.
_FOREIGN_HARMLESS: extras.Known = {
    "cache_control": None,
    "speed": ('"standard"',),
    "thinking.display": ('"summarized"',),
}
# A budget of reasoning tokens has no place here; these are the levels whose usual budgets it comes closest to.
_LEVELS = ((4096, "low"), (16384, "medium"))


def decode(body: bytes) -> ChatRequest:
    """The request in `body`. `metadata` and `stream_options` are the gateway's own and are not carried on.

    Raises: InvalidRequest with the path of the offending field, for malformed JSON too.
    """
    request = JsonObject.of_body(body)
    extra: Extra = []
    model = request.need_text("model")
    turns = tuple(messages.read(item, extra) for item in request.need_objects("messages"))
    stream = request.flag("stream") or False
    options = request.object("stream_options")
    found_tools = tools.read(request, extra)
    choice = tools.read_choice(request, extra)
    legacy_cap = request.integer("max_tokens", least=0)
    cap = request.integer("max_completion_tokens", least=0)
    request.skip("metadata")
    decoded = ChatRequest(
        model=model,
        turns=turns,
        tools=found_tools,
        tool_choice=choice,
        output=_read_output(request, extra),
        sampling=_read_sampling(request),
        reasoning=_read_effort(request),
        max_output_tokens=legacy_cap if cap is None else cap,
        choices=request.integer("n", least=1) or 1,
        stream=stream,
        include_usage=bool(options and options.flag("include_usage")),
        user=request.text("user"),
    )
    request.left(extra, _HARMLESS)
    return replace(decoded, extra=tuple(extra)) if extra else decoded


def _read_sampling(request: JsonObject) -> Sampling:
    return Sampling(
        temperature=request.number("temperature"),
        top_p=request.number("top_p"),
        top_k=request.integer("top_k"),
        stop=request.texts("stop"),
        seed=request.integer("seed"),
        frequency_penalty=request.number("frequency_penalty"),
        presence_penalty=request.number("presence_penalty"),
        logprobs=request.flag("logprobs") or False,
        top_logprobs=request.integer("top_logprobs", least=0),
    )


def _read_effort(request: JsonObject) -> ReasoningEffort | None:
    level = request.text("reasoning_effort")
    if level is None:
        return None
    return ReasoningEffort(disabled=True) if level == "none" else ReasoningEffort(level=level)


def _read_output(request: JsonObject, extra: Extra) -> OutputFormat:
    shape = request.object("response_format")
    if shape is None:
        return OutputFormat()
    kind = shape.need_text("type")
    if kind == "json_schema":
        found = shape.need_object("json_schema")
        output = OutputFormat(
            kind=OutputKind.JSON_SCHEMA,
            name=found.need_text("name"),
            schema=found.need_schema("schema") if found.kind("schema") else None,
            description=found.text("description"),
            strict=found.flag("strict"),
        )
        found.left(extra)
    elif kind in {"text", "json_object"}:
        output = OutputFormat(kind=OutputKind(kind))
    else:
        raise InvalidRequest(f"`response_format.type` has the unknown value {kind[:40]!r}.", param="response_format.type")
    shape.left(extra)
    return output


def encode(request: ChatRequest, *, model: str, max_output_tokens: int | None, stream: bool, legacy_max_tokens: bool = False) -> bytes:
    """The request for `model`. `legacy_max_tokens` names the cap `max_tokens`, for servers that know no other word.

    A stream always asks for usage. Cache marks and signatures' order among text are not kept: this protocol has one order, reasoning,
    text, calls. Raises: Unsupported with the path of what cannot be expressed, in the words of the caller's protocol.
    """
    members: dict[str, object] = {"model": model, "messages": _write_turns(request.turns)}
    if request.tools:
        members["tools"] = tools.write(request.tools)
    members.update(tools.write_choice(request.tool_choice, any_tools=bool(request.tools)))
    members.update(_write_output(request.output))
    members.update(_write_sampling(request.sampling))
    members.update(_write_effort(request.reasoning))
    if max_output_tokens is not None:
        members["max_tokens" if legacy_max_tokens else "max_completion_tokens"] = max_output_tokens
    if request.choices != 1:
        members["n"] = request.choices
    if stream:
        members["stream"] = True
        members["stream_options"] = {"include_usage": True}
    if request.user is not None:
        members["user"] = request.user
    extra = [(_ELSEWHERE.get(name, name), text) for name, text in request.extra]
    members.update(extras.write(extra, _OWN, harmless=_FOREIGN_HARMLESS, vendor="OpenAI's protocol"))
    return msgspec.json.encode(members)


def _write_turns(turns: tuple[Turn, ...]) -> list[dict[str, object]]:
    """The messages. A caller of this translation writes the system text beside its messages, and tool results and what the user adds
    to them in one message: paths in errors are counted that way."""
    written: list[dict[str, object]] = []
    number = -1
    offset = 0
    previous: Turn | None = None
    for turn in turns:
        if turn.role in {Role.SYSTEM, Role.DEVELOPER} and number < 0:
            written += messages.write(turn, "system", 0)
            continue
        if previous is not None and {previous.role, turn.role} == {Role.TOOL, Role.USER}:
            offset += len(previous.parts)
        else:
            number += 1
            offset = 0
        written += messages.write(turn, f"messages[{number}]", offset)
        previous = turn
    return written


def _write_output(output: OutputFormat) -> dict[str, object]:
    if output.kind is OutputKind.TEXT:
        return {}
    if output.kind is OutputKind.JSON_OBJECT:
        return {"response_format": {"type": "json_object"}}
    found: dict[str, object] = {"name": output.name or "response"}
    if output.description is not None:
        found["description"] = output.description
    if output.schema is not None:
        found["schema"] = msgspec.Raw(output.schema.encode())
    if output.strict is not None:
        found["strict"] = output.strict
    return {"response_format": {"type": "json_schema", "json_schema": found}}


def _write_sampling(sampling: Sampling) -> dict[str, object]:
    if sampling.top_k is not None:
        raise Unsupported("OpenAI's protocol does not sample by `top_k`.", param="top_k")
    members: dict[str, object] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "top_logprobs": sampling.top_logprobs,
    }
    members = {name: value for name, value in members.items() if value is not None}
    if sampling.stop:
        members["stop"] = sampling.stop
    if sampling.logprobs:
        members["logprobs"] = True
    return members


def _write_effort(effort: ReasoningEffort | None) -> dict[str, object]:
    if effort is None:
        return {}
    if effort.disabled:
        return {"reasoning_effort": "none"}
    if effort.level is not None:
        return {"reasoning_effort": effort.level}
    if effort.budget_tokens is None:
        return {}
    budget = effort.budget_tokens
    return {"reasoning_effort": next((level for most, level in _LEVELS if budget < most), "high")}
