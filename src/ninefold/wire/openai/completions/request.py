"""Legacy completions requests as conversations, for models that chat: the prompt is what a user says.

Source: platform.openai.com/docs/api-reference/completions/create.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ninefold.domain.chat import ChatRequest, Role, Sampling, Text, Turn
from ninefold.domain.errors import Unsupported
from ninefold.wire.json_object import Extra, JsonObject
from ninefold.wire.openai.completions.envelope import DEFAULT_MAX_TOKENS

_HARMLESS = {"echo": (False,), "suffix": ("",), "best_of": (1,), "logit_bias": ({},)}
_PROMPTS = msgspec.json.Decoder(list[str])


def decode(body: bytes) -> ChatRequest:
    """The request in `body`. Raises: InvalidRequest; Unsupported for prompts that no conversation can be made of."""
    request = JsonObject.of_body(body)
    extra: Extra = []
    prompt = _prompt(request)
    stream = request.flag("stream") or False
    options = request.object("stream_options")
    cap = request.integer("max_tokens", least=0)
    if cap == 0:
        raise Unsupported("A model that chats says something, or is not asked.", param="max_tokens")
    request.skip("metadata")
    decoded = ChatRequest(
        model=request.need_text("model"),
        turns=(Turn(role=Role.USER, parts=(Text(text=prompt),)),),
        sampling=Sampling(
            temperature=request.number("temperature"),
            top_p=request.number("top_p"),
            stop=request.texts("stop"),
            seed=request.integer("seed"),
            frequency_penalty=request.number("frequency_penalty"),
            presence_penalty=request.number("presence_penalty"),
        ),
        max_output_tokens=DEFAULT_MAX_TOKENS if cap is None else cap,
        choices=request.integer("n", least=1) or 1,
        stream=stream,
        include_usage=bool(options and options.flag("include_usage")),
        user=request.text("user"),
    )
    request.left(extra, _HARMLESS)
    return replace(decoded, extra=tuple(extra)) if extra else decoded


def _prompt(request: JsonObject) -> str:
    if request.kind("prompt") == "string":
        prompt = request.need_text("prompt")
    else:
        text = request.verbatim("prompt") or "[]"
        try:
            found = _PROMPTS.decode(text)
        except msgspec.ValidationError:
            raise Unsupported("A model that chats takes a prompt as text, not as tokens.", param="prompt") from None
        if len(found) != 1:
            raise Unsupported("A model that chats takes one prompt at a time.", param="prompt")
        prompt = found[0]
    if not prompt:
        raise Unsupported("A model that chats takes no empty prompt.", param="prompt")
    return prompt
