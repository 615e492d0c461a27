"""Content blocks of messages: text, pictures, documents, thinking, calls and their results.

Source: docs.anthropic.com/en/api/messages, content blocks.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence

from ninefold.domain.chat import Document, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.anthropic.messages import arguments
from ninefold.wire.json_object import Extra, JsonObject

# What a client sends back when it echoes an answer as it came.
_ECHOED: Mapping[str, Sequence[object]] = {
    "citations": ([],),
    "caller": ({"type": "direct"},),
    "transformations": ({}, {"oversized_image": "downsize"}),
}
_IMAGE_TYPES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_PDF = "application/pdf"
_PDF_MAGIC = "JVBERi0"


def read(owner: JsonObject, extra: Extra, name: str = "content") -> list[Part]:
    """The blocks of a member that may also be a string; an empty string is no block."""
    if owner.kind(name) in {"string", ""}:
        text = owner.text(name)
        return [Text(text=text)] if text else []
    parts: list[Part] = []
    for block in owner.objects(name):
        part = _read_block(block, extra)
        if part is not None:
            parts.append(part)
    return parts


def _read_block(block: JsonObject, extra: Extra) -> Part | None:
    kind = block.need_text("type")
    part: Part | None
    if kind == "text":
        part = Text(text=block.need_text("text"), cache=read_cache(block, extra))
    elif kind == "image":
        part = _read_image(block, extra)
    elif kind == "document":
        part = _read_document(block, extra)
    elif kind == "thinking":
        part = Reasoning(text=block.need_text("thinking"), signature=block.text("signature") or None)
    elif kind == "redacted_thinking":
        part = Reasoning(redacted=block.need_text("data"))
    elif kind == "tool_use":
        called = block.need_text("name")
        call_id = block.need_text("id")
        part = ToolCall(call_id=call_id, name=called, arguments=arguments.read(block.need_schema("input")), cache=read_cache(block, extra))
    elif kind == "tool_result":
        part = _read_result(block, extra)
    else:
        part = None
    if part is None:
        block.whole(extra)
    else:
        block.left(extra, _ECHOED)
    return part


def read_cache(block: JsonObject, extra: Extra) -> str | None:
    """The lifetime in `cache_control`, "" where it names none, None without one."""
    mark = block.object("cache_control")
    if mark is None:
        return None
    mark.skip("type")
    ttl = mark.text("ttl") or ""
    mark.left(extra)
    return ttl


def _read_image(block: JsonObject, extra: Extra) -> Image | None:
    source = block.need_object("source")
    kind = source.need_text("type")
    if kind == "base64":
        data, media_type = source.need_text("data"), source.need_text("media_type")
        source.left(extra)
        return Image(data=data, media_type=media_type, cache=read_cache(block, extra))
    if kind == "url":
        url = source.need_text("url")
        source.left(extra)
        return Image(url=url, cache=read_cache(block, extra))
    return None


def _read_document(block: JsonObject, extra: Extra) -> Document | None:
    source = block.need_object("source")
    kind = source.need_text("type")
    data = text = url = file_id = None
    if kind == "base64":
        data = source.need_text("data")
    elif kind == "text":
        text = source.need_text("data")
    elif kind == "url":
        url = source.need_text("url")
    elif kind == "file":
        file_id = source.need_text("file_id")
    else:
        return None
    media_type = source.text("media_type")
    source.left(extra)
    citations = block.object("citations")
    cite = bool(citations and citations.flag("enabled"))
    return Document(
        text=text,
        data=data,
        url=url,
        file_id=file_id,
        media_type=media_type,
        title=block.text("title"),
        context=block.text("context"),
        cite=cite,
        cache=read_cache(block, extra),
    )


def _read_result(block: JsonObject, extra: Extra) -> ToolResult:
    kept: list[Text | Image | Document] = []
    for index, part in enumerate(read(block, extra)):
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest("A tool's result cannot hold this block.", param=f"{block.path}.content[{index}]")
        kept.append(part)
    return ToolResult(
        call_id=block.need_text("tool_use_id"),
        parts=tuple(kept),
        is_error=block.flag("is_error") or False,
        cache=read_cache(block, extra),
    )


def write(part: Part, path: str) -> dict[str, object] | None:
    """One block; None for a text that says nothing, which the API refuses.

    `path` is the part's place in the caller's request. Raises: Unsupported below it.
    """
    match part:
        case Text():
            return _marked({"type": "text", "text": part.text}, part.cache) if part.text else None
        case Refusal():
            return {"type": "text", "text": part.text} if part.text else None
        case Image():
            return _marked({"type": "image", "source": _write_image(part, path)}, part.cache)
        case Document():
            return _write_document(part, path)
        case Reasoning():
            return _write_reasoning(part, path)
        case ToolCall():
            block: dict[str, object] = {
                "type": "tool_use",
                "id": arguments.call_id(part.call_id),
                "name": part.name,
                "input": arguments.write(part.arguments),
            }
            return _marked(block, part.cache)
        case ToolResult():
            return _write_result(part, path)


def _marked(block: dict[str, object], cache: str | None) -> dict[str, object]:
    mark = cache_control(cache)
    if mark is not None:
        block["cache_control"] = mark
    return block


def cache_control(cache: str | None) -> dict[str, object] | None:
    """The mark; a lifetime that Anthropic does not have becomes its default, as a mark is a hint."""
    if cache is None:
        return None
    return {"type": "ephemeral", "ttl": cache} if cache in {"5m", "1h"} else {"type": "ephemeral"}


def _write_image(image: Image, path: str) -> dict[str, object]:
    # "high" and "auto" ask for what happens here anyway; "low" asks for a cheaper reading.
    if image.detail not in {None, "auto", "high"}:
        raise Unsupported(f"Anthropic cannot read a picture at {image.detail} detail.", param=f"{path}.image_url.detail")
    if image.url is not None:
        if not image.url.startswith(("https://", "http://")):
            raise Unsupported("Anthropic takes pictures by http or https URL, or as base64 data.", param=f"{path}.image_url.url")
        return {"type": "url", "url": image.url}
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type
    if media_type not in _IMAGE_TYPES:
        raise Unsupported(f"Anthropic does not take pictures of the type {media_type}.", param=f"{path}.image_url.url")
    return {"type": "base64", "media_type": media_type, "data": image.data or ""}


def _write_document(document: Document, path: str) -> dict[str, object]:
    block: dict[str, object] = {"type": "document", "source": _document_source(document, path)}
    if document.title is not None:
        block["title"] = document.title
    if document.context is not None:
        block["context"] = document.context
    if document.cite:
        block["citations"] = {"enabled": True}
    return _marked(block, document.cache)


def _document_source(document: Document, path: str) -> dict[str, object]:
    if document.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": document.text}
    if document.url is not None:
        return {"type": "url", "url": document.url}
    if document.file_id is not None:
        # Source: ids of Anthropic's Files API begin with "file_", OpenAI's with "file-".
        if not document.file_id.startswith("file_"):
            raise Unsupported("A file that was uploaded to another vendor is not known here.", param=f"{path}.file.file_id")
        return {"type": "file", "file_id": document.file_id}
    data = document.data
    if data is None:
        raise Unsupported("A file needs data, a URL or an id.", param=f"{path}.file")
    if document.media_type == _PDF or (document.media_type is None and data.startswith(_PDF_MAGIC)):
        return {"type": "base64", "media_type": _PDF, "data": data}
    if document.media_type == "text/plain":
        try:
            return {"type": "text", "media_type": "text/plain", "data": b64decode(data, validate=True).decode()}
        except ValueError:
            raise InvalidRequest("The file is not base64 of UTF-8 text.", param=f"{path}.file.file_data") from None
    raise Unsupported(f"Anthropic does not take files of the type {document.media_type}.", param=f"{path}.file.file_data")


def _write_reasoning(part: Reasoning, path: str) -> dict[str, object]:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature is None or part.signature.startswith("gemini-"):  # what Gemini signed, Anthropic's verifier refuses
        where = f"{path.rsplit('.content[', 1)[0]}.reasoning_content"
        raise Unsupported("Anthropic takes back only reasoning that it signed; leave it out.", param=where)
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _write_result(result: ToolResult, path: str) -> dict[str, object]:
    block: dict[str, object] = {"type": "tool_result", "tool_use_id": arguments.call_id(result.call_id)}
    blocks = [write(part, f"{path}.content[{index}]") for index, part in enumerate(result.parts)]
    kept = [one for one in blocks if one is not None]
    if len(kept) == 1 and kept[0].keys() == {"type", "text"}:
        block["content"] = kept[0]["text"]
    elif kept:
        block["content"] = kept
    if result.is_error:
        block["is_error"] = True
    return _marked(block, result.cache)
