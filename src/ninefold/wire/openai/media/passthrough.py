"""Pictures, transcriptions and speech from an OpenAI caller to a vendor that has them: the bytes pass, the model's name changes.

Source: platform.openai.com/docs/api-reference/images and /audio.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest
from ninefold.domain.usage import Usage
from ninefold.wire import json_members, multipart
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.openai.chat.envelope import IMAGE_TOKENS
from ninefold.wire.passthrough.usage import usage_in

# Audio is billed at about 1,000 tokens a minute, and the models that bill it so take less than half an hour.
# Source: platform.openai.com/docs/pricing; "audio duration … is longer than 1400 seconds which is the maximum for this model".
MOST_AUDIO_TOKENS = 100_000
_MOST_PICTURES = 128
_TRUE = frozenset({"true", "1"})


class _Picture(msgspec.Struct):
    model: str
    prompt: str
    n: int | None = None
    stream: bool | None = None


class _Speech(msgspec.Struct):
    model: str
    input: str
    voice: msgspec.Raw
    stream_format: str | None = None


_picture = msgspec.json.Decoder(_Picture)
_speech = msgspec.json.Decoder(_Speech)


def read_picture(body: bytes, content_type: str, path: str) -> ModelCall:
    """A picture from words, or from words and pictures (a form). Raises: InvalidRequest naming the field."""
    if multipart.is_form(content_type):
        return _picture_form(body, content_type, path)
    found = json_members.read(_picture, body)
    return _call(
        Operation.IMAGES, path, found.model, body, stream=found.stream is True, choices=_pictures(found.n), input_tokens_bound=len(body)
    )


def read_speech(body: bytes, path: str) -> ModelCall:
    """Words that are to be spoken. Raises: InvalidRequest naming the field."""
    found = json_members.read(_speech, body)
    return _call(Operation.SPEECH, path, found.model, body, stream=found.stream_format == "sse", input_tokens_bound=len(body))


def read_audio(body: bytes, content_type: str, path: str) -> ModelCall:
    """A recording that is to be written down (a form). Raises: InvalidRequest naming the field."""
    parts = multipart.parse(body, content_type)
    if sum(part.name == "file" for part in parts) != 1:
        raise InvalidRequest("One recording must be sent, as `file`.", param="file")
    bound = sum(min(len(part.data), MOST_AUDIO_TOKENS) for part in parts)
    stream = (multipart.value(parts, "stream") or "").lower() in _TRUE
    call = _call(Operation.TRANSCRIPTION, path, _model(parts), body, stream=stream, input_tokens_bound=bound)
    call.content_type = content_type
    return call


def request(call: ModelCall, model: str) -> tuple[bytes, str]:
    """The caller's body under the vendor's model name, and its content type, "" for JSON."""
    if not multipart.is_form(call.content_type):
        fields = members(call.body)
        fields["model"] = raw(model)
        return encode(fields), ""
    parts = multipart.parse(call.body, call.content_type)
    for part in parts:
        if part.name == "model":
            part.data = model.encode()
    return multipart.write(parts)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer: an object of JSON, a text, or sound. Who reports no tokens bills by something else."""
    found = usage_in(body)
    spoken = _tokens(call.body) if call.operation is Operation.SPEECH else 0
    usage = Usage(input_tokens=spoken, estimated=True, unmetered=True) if found is None else found
    trimmed = body.strip()
    if call.operation is not Operation.SPEECH and trimmed.startswith(b"{") and trimmed.endswith(b"}"):
        return Whole(body=Splice(before=trimmed[:-1], after=b"}", comma=trimmed[1:-1].strip() != b""), usage=usage)
    kind = "application/octet-stream" if call.operation is Operation.SPEECH else "text/plain; charset=utf-8"
    return Whole(body=Splice(before=body, after=b"", sealed=True), usage=usage, content_type=kind)


def _tokens(body: bytes) -> int:
    return (len(body) + 3) // 4


def _picture_form(body: bytes, content_type: str, path: str) -> ModelCall:
    parts = multipart.parse(body, content_type)
    number = multipart.value(parts, "n")
    if number is not None and not (number.isascii() and number.isdigit()):
        raise InvalidRequest("`n` must be a number.", param="n")
    call = _call(
        Operation.IMAGES,
        path,
        _model(parts),
        body,
        stream=(multipart.value(parts, "stream") or "").lower() in _TRUE,
        choices=_pictures(None if number is None else int(number[:9])),
        input_tokens_bound=sum(len(part.data) if part.filename is None else IMAGE_TOKENS for part in parts),
    )
    call.content_type = content_type
    return call


def _call(
    operation: Operation, path: str, model: str, body: bytes, *, stream: bool, input_tokens_bound: int, choices: int = 1
) -> ModelCall:
    if not model:
        raise InvalidRequest("A model must be named.", param="model")
    return ModelCall(
        operation=operation,
        wire=Wire.OPENAI,
        model=model,
        body=body,
        stream=stream,
        choices=choices,
        input_tokens_bound=input_tokens_bound,
        path=path.removeprefix("/v1"),
    )


def _model(parts: list[multipart.Part]) -> str:
    found = multipart.value(parts, "model")
    if found is None:
        raise InvalidRequest("A model must be named.", param="model")
    return found


def _pictures(number: int | None) -> int:
    if number is not None and not 1 <= number <= _MOST_PICTURES:
        raise InvalidRequest(f"Between 1 and {_MOST_PICTURES} pictures can be asked for.", param="n")
    return number or 1
