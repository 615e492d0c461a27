"""The parts of a chat completions message: text, pictures, files."""

from __future__ import annotations

import re
from base64 import b64encode

from ninefold.domain.chat import Document, Image, Part, Refusal, Text
from ninefold.domain.errors import Unsupported
from ninefold.wire.json_object import Extra, JsonObject

_DATA_URL = re.compile(r"data:([^;,]*);base64,", re.IGNORECASE)
_EXTENSIONS = {"application/pdf": "pdf", "text/plain": "txt"}


def read(message: JsonObject, extra: Extra) -> list[Part]:
    """The parts of `content`, in order; an empty string is no part. What the domain has no word for stands in `extra`."""
    if message.kind("content") in {"string", ""}:
        text = message.text("content")
        return [Text(text=text)] if text else []
    parts: list[Part] = []
    for item in message.objects("content"):
        part = _read_part(item, extra)
        if part is not None:
            parts.append(part)
    return parts


def _read_part(item: JsonObject, extra: Extra) -> Part | None:
    kind = item.need_text("type")
    part: Part
    if kind == "text":
        part = Text(text=item.need_text("text"), cache=_cache(item, extra))
    elif kind == "refusal":
        part = Refusal(text=item.need_text("refusal"))
    elif kind == "image_url":
        part = _read_image(item, extra)
    elif kind == "file":
        part = _read_file(item, extra)
    else:
        item.whole(extra)
        return None
    item.left(extra)
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
    source = item.need_object("image_url")
    url = source.need_text("url")
    detail = source.text("detail")
    source.left(extra)
    cache = _cache(item, extra)
    match = _DATA_URL.match(url)
    if match is None:
        return Image(url=url, detail=detail, cache=cache)
    return Image(data=url[match.end() :], media_type=match.group(1) or None, detail=detail, cache=cache)


def _read_file(item: JsonObject, extra: Extra) -> Document:
    source = item.need_object("file")
    data = source.text("file_data")
    file_id = source.text("file_id")
    title = source.text("filename")
    source.left(extra)
    media_type = None
    match = _DATA_URL.match(data) if data else None
    if data is not None and match is not None:
        media_type = match.group(1) or None
        data = data[match.end() :]
    return Document(data=data, file_id=file_id, media_type=media_type, title=title, cache=_cache(item, extra))


def write(part: Part, path: str) -> dict[str, object]:
    """One entry of `content`. A cache mark is a hint to the other vendor's cache and is left out.

    Raises: Unsupported below `path`, the part's place in the caller's request.
    """
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
        case Image():
            return _write_image(part)
        case Document():
            return {"type": "file", "file": _write_file(part, path)}
        case _:
            raise Unsupported("Chat completions have no place for this part of the message.", param=path)


def _write_image(image: Image) -> dict[str, object]:
    url = image.url if image.url is not None else f"data:{image.media_type or ''};base64,{image.data or ''}"
    source: dict[str, object] = {"url": url}
    if image.detail is not None:
        source["detail"] = image.detail
    return {"type": "image_url", "image_url": source}


def _write_file(document: Document, path: str) -> dict[str, object]:
    if document.url is not None:
        raise Unsupported("Chat completions take files as data, not by URL.", param=f"{path}.source.url")
    if document.context is not None:
        raise Unsupported("Chat completions have no context for a file.", param=f"{path}.context")
    if document.cite:
        raise Unsupported("Chat completions do not cite files.", param=f"{path}.citations")
    source: dict[str, object] = {}
    if document.file_id is not None:
        # Source: ids of Anthropic's Files API begin with "file_", OpenAI's with "file-".
        if document.file_id.startswith("file_"):
            raise Unsupported("A file that was uploaded to Anthropic is not known here.", param=f"{path}.source.file_id")
        source["file_id"] = document.file_id
    title = document.title
    if document.text is not None:
        source["file_data"] = f"data:text/plain;base64,{_base64(document.text)}"
        title = title or "document.txt"
    elif document.data is not None:
        source["file_data"] = document.data if document.media_type is None else f"data:{document.media_type};base64,{document.data}"
        # The API refuses data without a name.
        title = title or f"document.{_EXTENSIONS.get(document.media_type or '', 'bin')}"
    if title is not None:
        source["filename"] = title
    return source


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
