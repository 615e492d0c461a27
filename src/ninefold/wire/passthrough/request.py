"""A request to a vendor's own endpoint: its path, method and bytes, held to the model that the caller may use."""

from __future__ import annotations

from urllib.parse import quote, unquote

import msgspec

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, NotFound, Unsupported
from ninefold.wire import multipart
from ninefold.wire.json_members import encode, members, raw

# Segments after which a path names a model: Gemini and OpenAI, Bedrock, Azure, and OpenAI's first API.
_MODEL_FOLLOWS = frozenset({"models", "model", "deployments", "engines"})
# What a vendor does later, for money that no answer here would ever tell of.
_LATER = frozenset({"batches", "fine_tuning", "fine-tunes", "batchPredictionJobs", "model-invocation-job"})
_ROUNDS = 4


class _Asked(msgspec.Struct):
    """What bounds an answer's length, in the words of the known vendors."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    stream: bool | None = None


_asked = msgspec.json.Decoder(_Asked)


def read(*, method: str, path: str, query: str, content_type: str, body: bytes) -> ModelCall:
    """The call of `path`, whose first segment is the model's name. Raises: NotFound; InvalidRequest."""
    name, _, rest = path.partition("/")
    model = unquote(name)
    if not model or not rest:
        raise NotFound("Write /passthrough/{model}/{the vendor's own path}.")
    _check(rest)
    try:
        asked = _asked.decode(body) if body else _Asked()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        asked = _Asked()  # of no shape that we know; the vendor judges it
    caps = [cap for cap in (asked.max_tokens, asked.max_completion_tokens, asked.max_output_tokens) if cap is not None and cap > 0]
    return ModelCall(
        operation=Operation.PASSTHROUGH,
        wire=Wire.OPENAI,
        model=model,
        body=body,
        stream=asked.stream is True or "streamGenerateContent" in rest,
        max_output_tokens=max(caps) if caps else None,
        choices=max(asked.n or 1, 1),
        input_tokens_bound=len(body),
        method=method,
        path=f"/{rest}?{query}" if query else f"/{rest}",
        content_type=content_type,
    )


def target(call: ModelCall, model: str) -> bytes:
    """The path below the vendor's address. Raises: Unsupported where it names another model, or work that is paid later."""
    path, mark, query = call.path.partition("?")
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if call.method == "GET":
            continue
        if unquote(segment) in _LATER:
            raise Unsupported(f"{segment} runs later, and nobody could say what it costs: use POST /v1/batches here.", param="path")
        if at and unquote(segments[at - 1]) in _MODEL_FOLLOWS and segment:
            segments[at] = _named(segment, call, model)
    return ("/".join(segments) + mark + query).encode("ascii")


def body(call: ModelCall, model: str) -> tuple[bytes, str]:
    """The bytes and their content type, with the vendor's name of the model. Raises: Unsupported where they name another one."""
    given = call.body
    if multipart.is_form(call.content_type):
        return _form(call, model)
    if given.find(b"model") < 0 and given.find(b"\\u") < 0:
        return given, call.content_type
    try:
        fields = members(given)
    except (InvalidRequest, UnicodeDecodeError):
        return given, call.content_type  # no object of JSON: there is no member that could name a model
    if "model" not in fields:
        return given, call.content_type
    try:
        named = msgspec.json.decode(fields["model"], type=str)
    except msgspec.MsgspecError:
        raise InvalidRequest("`model` must be a string.", param="model") from None
    _allow(named, call, model, "model")
    # Written anew: a repeated member, read differently by the vendor, would slip past us.
    fields["model"] = raw(model)
    return encode(fields), call.content_type


def _form(call: ModelCall, model: str) -> tuple[bytes, str]:
    parts = multipart.parse(call.body, call.content_type)
    named = multipart.value(parts, "model")
    if named is not None:
        _allow(named, call, model, "model")
        for part in parts:
            if part.name == "model":
                part.data = model.encode()
    return multipart.write(parts)


def _named(segment: str, call: ModelCall, model: str) -> str:
    """The segment with the vendor's name of the model; a verb may stand behind a colon, as a name of Bedrock's may hold one."""
    text = unquote(segment)
    if text == model:
        return segment
    name, colon, verb = text.partition(":")
    if text != call.model:
        _allow(name, call, model, "path")
        return quote(model, safe="-._~") + colon + quote(verb, safe="-._~")
    return quote(model, safe="-._~")


def _allow(named: str, call: ModelCall, model: str, param: str) -> None:
    if named not in {call.model, model}:
        raise Unsupported(f"This pass-through goes to {call.model} alone, not to {named[:100]!r}.", param=param)


def _check(path: str) -> None:
    """Raises: InvalidRequest where the path could climb out of the vendor's address, however often it is decoded."""
    text = path
    for _ in range(_ROUNDS):
        if any(each in {".", ".."} for each in text.replace("\\", "/").split("/")) or any(ord(each) < 0x21 for each in text):
            raise InvalidRequest("The path may not climb.", param="path")
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
    raise InvalidRequest("The path is encoded too often.", param="path")
