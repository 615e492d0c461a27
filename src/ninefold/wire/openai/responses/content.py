"""The content parts of Responses messages and tool outputs: text, pictures, files.

Source: platform.openai.com/docs/api-reference/responses/create, `input`.
"""

from __future__ import annotations

import re

from ninefold.domain.chat import Document, Image, Part, Refusal, Text
from ninefold.wire.json_object import Extra, JsonObject

_DATA_URL = re.compile(r"data:([^;,]*);base64,", re.IGNORECASE)
# What a client sends back when it echoes an answer as it came.
_ECHOED = {"annotations": ([],), "logprobs": ([],), "detail": ("auto",)}


def read(owner: JsonObject, name: str, extra: Extra) -> list[Part]:
    """The parts of a member that may also be a string; an empty string is no part. What the domain has no word for is in `extra`."""
    if owner.kind(name) in {"string", ""}:
        text = owner.text(name)
        return [Text(text=text)] if text else []
    parts: list[Part] = []
    for item in owner.objects(name):
        part = _read_part(item, extra)
        if part is not None:
            parts.append(part)
    return parts


def _read_part(item: JsonObject, extra: Extra) -> Part | None:
    kind = item.need_text("type")
    part: Part
    if kind in {"input_text", "output_text"}:
        part = Text(text=item.need_text("text"), cache=_cache(item, extra))
    elif kind == "refusal":
        part = Refusal(text=item.need_text("refusal"))
    elif kind == "input_image" and item.kind("image_url") == "string":
        part = _read_image(item, extra)
    elif kind == "input_file":
        part = _read_file(item, extra)
    else:
        item.whole(extra)
        return None
    item.left(extra, _ECHOED)
    return part


def _cache(item: JsonObject, extra: Extra) -> str | None:
    """The lifetime of a `prompt_cache_breakpoint`, "" where it has none, None without one."""
    mark = item.object("prompt_cache_breakpoint")
    if mark is None:
        return None
    mark.skip("mode")
    ttl = mark.text("ttl") or ""
    mark.left(extra)
    return ttl


def _read_image(item: JsonObject, extra: Extra) -> Image:
    url = item.need_text("image_url")
    detail = item.text("detail")
    if detail == "auto":  # the client's types make everybody write the default
        detail = None
    cache = _cache(item, extra)
    match = _DATA_URL.match(url)
    if match is None:
        return Image(url=url, detail=detail, cache=cache)
    return Image(data=url[match.end() :], media_type=match.group(1) or None, detail=detail, cache=cache)


def _read_file(item: JsonObject, extra: Extra) -> Document:
    data = item.text("file_data")
    media_type = None
    match = _DATA_URL.match(data) if data else None
    if data is not None and match is not None:
        media_type = match.group(1) or None
        data = data[match.end() :]
    return Document(
        data=data,
        url=item.text("file_url"),
        file_id=item.text("file_id"),
        media_type=media_type,
        title=item.text("filename"),
        cache=_cache(item, extra),
    )
