"""Messages requests, in both directions.

What was read and has no word in the domain stands in `ChatRequest.extra` under its path, so that no target drops it unseen.
Source: docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatRequest, OutputFormat, OutputKind, Sampling, Turn
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import extra as extras
from ninefold.wire.anthropic.messages import message as messages
from ninefold.wire.anthropic.messages import thinking, tools
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.output_schema import described

_HARMLESS = {"mcp_servers": ([],), "service_tier": ("auto",), "speed": ("standard",), "betas": ([],)}
_OWN: extras.Known = dict.fromkeys(
    (
        *("cache_control", "container", "context_management", "diagnostics", "inference_geo", "mcp_servers", "speed"),
        *("thinking", "user_profile_id", "workspace_id"),
    )
) | {"service_tier": ('"auto"', '"standard_only"')}
# Hints to OpenAI's prompt cache, and its ordinary tier.
_FOREIGN_HARMLESS: extras.Known = {
    "prompt_cache_key": None,
    "prompt_cache_options": None,
    "prompt_cache_retention": None,
    "service_tier": ('"default"',),
}


def decode(body: bytes) -> ChatRequest:
    """The request in `body`. Raises: InvalidRequest with the path of the offending field, for malformed JSON too."""
    request = JsonObject.of_body(body)
    cap = request.integer("max_tokens", least=0)
    if cap is None:
        raise InvalidRequest("`max_tokens` is missing.", param="max_tokens")
    return read(request, cap)


def read(request: JsonObject, cap: int | None) -> ChatRequest:
    """The request in an object of which the cap has been taken."""
    extra: Extra = []
    model = request.need_text("model")
    turns: list[Turn] = messages.read_system(request, extra)
    for item in request.need_objects("messages"):
        turns += messages.read(item, extra)
    found_tools = tools.read(request, extra)
    choice = tools.read_choice(request, extra)
    config = request.object("output_config")
    effort = thinking.read(request, config, extra)
    output = _read_output(request, config, extra)
    if config is not None:
        config.left(extra)
    sampling = Sampling(
        temperature=request.number("temperature"),
        top_p=request.number("top_p"),
        top_k=request.integer("top_k"),
        stop=request.texts("stop_sequences"),
    )
    # The rest of `metadata` is the gateway's own.
    metadata = request.object("metadata")
    user = metadata.text("user_id") if metadata is not None else None
    stream = request.flag("stream") or False
    request.left(extra, _HARMLESS)
    return ChatRequest(
        model=model,
        turns=tuple(turns),
        tools=found_tools,
        tool_choice=choice,
        output=output,
        sampling=sampling,
        reasoning=effort,
        max_output_tokens=cap,
        stream=stream,
        include_usage=stream,
        user=user,
        extra=tuple(extra),
    )


def _read_output(request: JsonObject, config: JsonObject | None, extra: Extra) -> OutputFormat:
    """The schema in `output_config.format`, or in `output_format`, its name while it was a beta."""
    shape = config.object("format") if config is not None else None
    shape = shape or request.object("output_format")
    if shape is None:
        return OutputFormat()
    kind = shape.need_text("type")
    if kind != "json_schema":
        raise InvalidRequest(f"`{shape.at('type')}` has the unknown value {kind[:40]!r}.", param=shape.at("type"))
    output = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=shape.need_schema("schema"), strict=True)
    shape.left(extra)
    return output


def encode(request: ChatRequest, *, model: str, max_output_tokens: int, stream: bool) -> bytes:
    """The request for `model`. Raises: Unsupported with the path of what cannot be expressed, in the words of the caller's protocol."""
    _refuse(request)
    members = conversation(request, model=model, max_output_tokens=max_output_tokens)
    members["max_tokens"] = max_output_tokens
    sampling = request.sampling
    if sampling.temperature is not None:
        members["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        members["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        members["top_k"] = sampling.top_k
    if sampling.stop:
        members["stop_sequences"] = sampling.stop
    if stream:
        members["stream"] = True
    return msgspec.json.encode(members)


def conversation(request: ChatRequest, *, model: str, max_output_tokens: int | None) -> dict[str, object]:
    """The members that decide how many input tokens a request is. Raises: Unsupported."""
    extra = request.extra
    user = request.user
    identifiers = [text for name, text in extra if name == "safety_identifier"]
    if identifiers and user is None:
        # OpenAI's newer name for the same thing.
        user = msgspec.json.decode(identifiers[0], type=str)
        extra = tuple((name, text) for name, text in extra if name != "safety_identifier")
    written = extras.write(extra, _OWN, harmless=_FOREIGN_HARMLESS, vendor="Anthropic's protocol")
    system, found = messages.write(request.turns)
    members: dict[str, object] = {"model": model, "messages": found}
    if system:
        members["system"] = system
    if request.tools:
        members["tools"] = tools.write(request.tools)
    members.update(tools.write_choice(request.tool_choice, any_tools=bool(request.tools)))
    thought, effort = thinking.write(request.reasoning, model=model, max_output_tokens=max_output_tokens)
    if thought is not None:
        members["thinking"] = thought
    config = _write_output(request.output)
    if effort is not None:
        config["effort"] = effort
    if config:
        members["output_config"] = config
    if user is not None:
        members["metadata"] = {"user_id": user}
    members.update(written)
    return members


def _refuse(request: ChatRequest) -> None:
    """Raises: Unsupported for what only other vendors have, unless it asks for nothing."""
    sampling = request.sampling
    asked: dict[str, object] = {
        "n": request.choices != 1,
        "seed": sampling.seed is not None,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
        # Source: Anthropic's range is 0 to 1, OpenAI's 0 to 2.
        "temperature": sampling.temperature is not None and sampling.temperature > 1,
    }
    for name, value in asked.items():
        if value:
            raise Unsupported(f"Anthropic cannot express this `{name}`; leave it out or ask for another model.", param=name)


def _write_output(output: OutputFormat) -> dict[str, object]:
    """`output_config` for an output format. The format's name is a label without effect and has no place here."""
    if output.kind is OutputKind.TEXT:
        return {}
    if output.kind is OutputKind.JSON_OBJECT:
        raise Unsupported("Anthropic has no JSON mode without a schema; ask for `json_schema`.", param="response_format.type")
    if output.schema is None:
        raise Unsupported("Anthropic needs the schema itself.", param="response_format.json_schema.schema")
    return {"format": {"type": "json_schema", "schema": msgspec.Raw(described(output))}}
