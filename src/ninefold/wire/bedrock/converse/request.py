"""Converse requests, written.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html; ranges as in the service's own model.
"""

from __future__ import annotations

import re

import msgspec

from ninefold.domain.chat import ChatRequest, OutputFormat, OutputKind
from ninefold.domain.errors import Unsupported
from ninefold.wire import extra as extras
from ninefold.wire.bedrock.converse import message, model_fields, tools
from ninefold.wire.bedrock.model_family import Family, family

# Bedrock's own; OpenAI's names of tiers that it has too (API_runtime_ServiceTier.html), and its newer name for the user.
_KNOWN: extras.Known = {
    "guardrailConfig": None,
    "performanceConfig": None,
    "requestMetadata": None,
    "safety_identifier": None,
    "service_tier": ('"priority"', '"flex"', '"default"'),
}
_HARMLESS: extras.Known = {
    "prompt_cache_key": None,
    "prompt_cache_options": None,
    "prompt_cache_retention": None,
    "service_tier": ('"auto"',),
}
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")


def encode(request: ChatRequest, *, model: str, max_output_tokens: int) -> bytes:
    """The request for `model`, which stands in the path. Raises: Unsupported with the path of what cannot be expressed."""
    _refuse(request)
    kind = family(model)
    written = extras.write(request.extra, _KNOWN, harmless=_HARMLESS, vendor="Bedrock")
    tier = written.pop("service_tier", None)
    written.pop("safety_identifier", None)
    system, messages = message.write(request.turns, kind)
    members: dict[str, object] = {"messages": messages}
    if system:
        members["system"] = system
    members["inferenceConfig"] = _inference(request, max_output_tokens)
    config = tools.write(request, kind)
    if config is not None:
        members["toolConfig"] = config
    fields, effort = model_fields.write(request, kind, model=model, max_output_tokens=max_output_tokens)
    if fields:
        members["additionalModelRequestFields"] = fields
    if kind is Family.CLAUDE and request.sampling.stop:
        # Which of them ended the answer is said only where it is asked for.
        members["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    output = _output(request.output)
    if effort is not None:
        output["effort"] = effort
    if output:
        members["outputConfig"] = output
    if tier is not None:
        members["serviceTier"] = {"type": tier}
    members.update(written)
    user = _user(request)
    if user is not None:
        members.setdefault("requestMetadata", {"user": user})
    return msgspec.json.encode(members)


def _inference(request: ChatRequest, max_output_tokens: int) -> dict[str, object]:
    sampling = request.sampling
    members: dict[str, object] = {"maxTokens": max_output_tokens}
    if sampling.temperature is not None:
        members["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        members["topP"] = sampling.top_p
    if sampling.stop:
        members["stopSequences"] = sampling.stop
    return members


def _user(request: ChatRequest) -> str | None:
    """Who asks, for Bedrock's invocation log: the one place it has for that."""
    user, param = request.user, "user"
    for name, text in request.extra:
        if name == "safety_identifier" and user is None:
            user, param = msgspec.json.decode(text, type=str), name
    if user is not None and not _METADATA.fullmatch(user):
        raise Unsupported("Bedrock takes a user's name of at most 256 plain characters.", param=param)
    return user


def _output(output: OutputFormat) -> dict[str, object]:
    """`outputConfig` for an output format. Source: API_runtime_JsonSchemaDefinition.html: the schema is a string."""
    if output.kind is OutputKind.TEXT:
        return {}
    if output.kind is OutputKind.JSON_OBJECT:
        raise Unsupported("Bedrock has no JSON mode without a schema; ask for `json_schema`.", param="response_format.type")
    if output.schema is None:
        raise Unsupported("Bedrock needs the schema itself.", param="response_format.json_schema.schema")
    definition = {"schema": output.schema}
    if output.name is not None:
        definition["name"] = output.name
    if output.description is not None:
        definition["description"] = output.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


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
        "temperature": sampling.temperature is not None and sampling.temperature > 1,
    }
    for name, value in asked.items():
        if value:
            raise Unsupported(f"Bedrock cannot express this `{name}`; leave it out or ask for another model.", param=name)
