"""Calls of functions and what they returned.

Source: ai.google.dev/api/caching#FunctionCall and #FunctionResponse; a call's `args` and a response are JSON objects, and ids are
optional on both.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

import msgspec

from ninefold.domain.chat import Document, Image, Text, ToolCall, ToolResult
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import call_ids, vendor_json
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import signature
from ninefold.wire.json_object import Extra

_WRAP = "INVALID_JSON"
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
# The words for a response's one text, and for what a failed call says. Source: FunctionResponse, `response`.
_OUTPUT, _ERROR = "output", "error"


def read_arguments(text: str) -> str:
    """The arguments in the JSON text of `args`; text that was no object is taken out of its wrapping."""
    if text in {"", "null"}:
        return "{}"
    return _single(text, _WRAP) or text


def write_arguments(arguments: str) -> msgspec.Raw:
    """`args` for these arguments as they were written; what is no object stands in `{"INVALID_JSON": …}`."""
    if not arguments.strip():
        return msgspec.Raw(b"{}")
    if vendor_json.is_object(arguments):
        return msgspec.Raw(arguments.encode())
    return msgspec.Raw(msgspec.json.encode({_WRAP: arguments}))


def made_id(*facts: object) -> str:
    """An id for a call that has none: the same facts give the same id, so that results find their calls again."""
    return "call_" + hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:20]


def write_call(call: ToolCall, *, thought: str | None) -> dict[str, object]:
    """The part of one call; `thought` stands in for a signature where the call has none."""
    call_id, signed = call_ids.split(call.call_id)
    part: dict[str, object] = {"functionCall": {"id": call_id, "name": call.name, "args": write_arguments(call.arguments)}}
    found = signed or thought
    if found is not None:
        part["thoughtSignature"] = found
    return part


class Pairing:
    """The calls of a conversation, in the order in which they were made, and which of them were answered."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[tuple[str, str, str]] = []  # what the other side calls it, the function's name, the id here

    def call(self, part: CamelObject, signed: str, extra: Extra) -> ToolCall:
        """The call in a part. Its place makes its id where it has none."""
        call = part.need_object("functionCall")
        name = call.need_text("name")
        given = call.text("id") or ""
        text = call.need_schema("args") if call.kind("args") else ""
        call_id = call_ids.join(given or made_id(part.path, name), signature.of_call(signed))
        call.left(extra, {"willContinue": (False,), "partialArgs": ([],)})
        self._open.append((given, name, call_id))
        return ToolCall(call_id=call_id, name=name, arguments=read_arguments(text))

    def result(self, part: CamelObject, extra: Extra) -> ToolResult:
        """What a call returned: the call of the same id, else the first of that name which nothing answers yet.

        Raises: InvalidRequest where there is none.
        """
        found = part.need_object("functionResponse")
        name = found.need_text("name")
        given = found.text("id") or ""
        place = next((i for i, (theirs, _, _) in enumerate(self._open) if given and theirs == given), None)
        if place is None:
            place = next((i for i, (theirs, called, _) in enumerate(self._open) if called == name and not (theirs and given)), None)
        if place is None:
            raise InvalidRequest(f"`{found.path}` answers no call of {name[:80]!r} that stands before it.", param=found.path)
        call_id = self._open.pop(place)[2]
        text = found.need_schema("response") if found.kind("response") else "{}"
        said, is_error = _read_response(text)
        parts: list[Text | Image | Document] = [Text(text=said)] if said else []
        for item in found.objects("parts"):
            parts.append(_read_part(item))
            item.left(extra)
        found.left(extra, {"willContinue": (False,)})
        return ToolResult(call_id=call_id, parts=tuple(parts), is_error=is_error)


def _read_part(item: CamelObject) -> Image | Document:
    blob = item.need_object("inlineData")
    media_type, data = blob.need_text("mimeType"), blob.need_text("data")
    title = blob.text("displayName")
    if media_type.startswith("image/"):
        return Image(data=data, media_type=media_type)
    return Document(data=data, media_type=media_type, title=title)


def _read_response(text: str) -> tuple[str, bool]:
    """The text of a response, and whether it says that the call failed."""
    failed = _single(text, _ERROR)
    if failed is not None:
        return failed, True
    said = _single(text, _OUTPUT)
    return (text if said is None else said), False


def _single(text: str, name: str) -> str | None:
    """The string that is the only member of the object in `text`, if it has this name."""
    if text.find(f'"{name}"') < 0 or not vendor_json.is_object(text):
        return None
    members = _MEMBERS.decode(text)
    found = bytes(members.get(name, msgspec.Raw()))
    return _TEXT.decode(found) if len(members) == 1 and found.startswith(b'"') else None


def write_result(result: ToolResult, name: str, path: str) -> dict[str, object]:
    """The part of one result. A text that is a JSON object is the response itself, any other its `output` or `error`.

    Raises: Unsupported below `path`.
    """
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    said = "\n".join(texts)
    response: object
    if result.is_error:
        response = {_ERROR: said}
    elif vendor_json.is_object(said) and _read_response(said) == (said, False):
        response = msgspec.Raw(said.encode())
    else:
        response = {_OUTPUT: said}
    written: dict[str, object] = {"id": call_ids.bare(result.call_id), "name": name, "response": response}
    media = [_write_media(part, f"{path}.content[{i}]") for i, part in enumerate(result.parts) if not isinstance(part, Text)]
    if media:
        written["parts"] = media
    return {"functionResponse": written}


def _write_media(part: Image | Document, path: str) -> dict[str, object]:
    data, media_type = part.data, part.media_type
    if isinstance(part, Document) and part.text is not None:
        data, media_type = b64encode(part.text.encode()).decode(), "text/plain"
    if data is None or media_type is None:
        raise Unsupported("Gemini takes pictures and files in a function's response as data of a known type only.", param=path)
    return {"inlineData": {"mimeType": media_type, "data": data}}
