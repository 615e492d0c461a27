"""Requests to generate content, in both directions.

What was read and has no word in the domain stands in `ChatRequest.extra` under its path, so that no target drops it unseen.
Source: ai.google.dev/api/generate-content#method:-models.generatecontent.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ninefold.domain.call import Wire
from ninefold.domain.chat import ChatRequest
from ninefold.wire import extra as extras
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import config, message, thinking, tools
from ninefold.wire.json_object import Extra

_HARMLESS = {"safetySettings": ([],), "labels": ({},), "store": (False,)}
# Thresholds that ask for no filter at all, which is what vendors without one do.
_NO_FILTER = {"OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"}
_OWN: extras.Known = {"safetySettings": None, "cachedContent": None}
# Hints to other vendors' caches, their ordinary tiers, and names of users for their abuse desks: nothing in the answer hangs on them.
_FOREIGN_HARMLESS: extras.Known = {
    **dict.fromkeys(("cache_control", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier")),
    "service_tier": ('"default"', '"auto"'),
    "speed": ('"standard"',),
    "thinking.display": ('"summarized"',),
}


def decode(body: bytes, model: str, *, stream: bool) -> ChatRequest:
    """The request in `body`; what it asks of which model stands in its path. Raises: InvalidRequest with the path of the offending
    field, for malformed JSON too."""
    return read(CamelObject.of_body(body), model, stream=stream)


def read(request: CamelObject, model: str, *, stream: bool) -> ChatRequest:
    """The request in an object."""
    extra: Extra = []
    turns = message.read_system(request, extra)
    turns += message.read(request.need_objects("contents"), extra)
    found, choice = tools.read(request, extra)
    given = request.object("generationConfig") or CamelObject(b"{}", "generationConfig")
    output = config.read_output(given, extra)
    decoded = ChatRequest(
        model=model,
        turns=tuple(turns),
        tools=found,
        tool_choice=choice,
        output=output,
        sampling=config.read_sampling(given),
        reasoning=thinking.read(given, extra),
        max_output_tokens=given.whole_number("maxOutputTokens", least=1),
        choices=given.whole_number("candidateCount", least=1) or 1,
        stream=stream,
        include_usage=stream,
    )
    given.left(extra, config.HARMLESS)
    _read_safety(request, extra)
    request.skip("model")
    request.left(extra, _HARMLESS)
    return replace(decoded, extra=tuple(extra)) if extra else decoded


def _read_safety(request: CamelObject, extra: Extra) -> None:
    settings = request.objects("safetySettings")
    for item in settings:
        category, threshold = item.text("category"), item.text("threshold") or ""
        if threshold not in _NO_FILTER:
            extra.append((item.path, msgspec.json.encode({"category": category, "threshold": threshold}).decode()))
        item.left(extra)


def encode(request: ChatRequest, *, model: str, max_output_tokens: int, wire: Wire) -> bytes:
    """The request for `model`; whether it is streamed is said in its path. Labels of users and schemas have no place here and are left
    out. Raises: Unsupported with the path of what cannot be expressed, in the words of the caller's protocol, `wire`."""
    members = conversation(request, model=model, wire=wire)
    generation = config.write(request.sampling, request.output)
    generation.update(thinking.write(request.reasoning, model=model, wire=wire))
    generation["maxOutputTokens"] = max_output_tokens
    if request.choices != 1:
        generation["candidateCount"] = request.choices
    members["generationConfig"] = generation
    return msgspec.json.encode(members)


def conversation(request: ChatRequest, *, model: str, wire: Wire) -> dict[str, object]:
    """The members that decide how many input tokens a request is. Raises: Unsupported."""
    system, contents = message.write(request.turns, model=model, wire=wire)
    members: dict[str, object] = {"contents": contents}
    if system:
        members["systemInstruction"] = {"parts": system}
    declared = tools.write(request.tools)
    if declared:
        members["tools"] = declared
    members.update(tools.write_choice(request.tool_choice, request.tools, wire=wire))
    members.update(extras.write(request.extra, _OWN, harmless=_FOREIGN_HARMLESS, vendor="Gemini's protocol"))
    return members
