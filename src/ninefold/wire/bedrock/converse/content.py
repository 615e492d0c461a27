"""Content blocks of Converse: text, pictures, documents, reasoning, calls and their results.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html and the types it names.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from ninefold.domain.chat import Document, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ninefold.domain.errors import Unsupported
from ninefold.wire.anthropic.messages import arguments
from ninefold.wire.bedrock.model_family import Family

Block = dict[str, object]

_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_PDF_MAGIC = "JVBERi0"
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]+")
_SPACES = re.compile(r"\s+")
_MOST_NAME = 200
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_MARKED = {Family.CLAUDE, Family.NOVA}


class BlockWriter:
    """Writes the blocks of one request for a family of models; no two documents in it have the same name."""

    __slots__ = ("_family", "_names")

    def __init__(self, family: Family) -> None:
        self._family = family
        self._names: set[str] = set()

    def blocks(self, part: Part, path: str) -> list[Block]:
        """The blocks of a part: none for a text that says nothing, and a cache point behind one that is marked.

        `path` is the part's place in the caller's request. Raises: Unsupported below it.
        """
        block = self._block(part, path)
        if block is None:
            return []
        mark = None if isinstance(part, Reasoning | Refusal) else cache_point(part.cache, self._family)
        return [block] if mark is None else [block, mark]

    def _block(self, part: Part, path: str) -> Block | None:
        match part:
            case Text() | Refusal():
                return {"text": part.text} if part.text else None
            case Image():
                return _image(part, path)
            case Document():
                return self._document(part, path)
            case Reasoning():
                return self._reasoning(part, path)
            case ToolCall():
                used = {"toolUseId": call_id(part.call_id), "name": part.name, "input": arguments.write(part.arguments)}
                return {"toolUse": used}
            case ToolResult():
                return self._result(part, path)

    def _document(self, document: Document, path: str) -> Block:
        block: Block = {"name": self._name(document.title or "document")}
        if document.text is not None:
            block["format"] = "txt"
            block["source"] = {"bytes": b64encode(document.text.encode()).decode()}
        elif document.data is not None:
            media_type = document.media_type or ("application/pdf" if document.data.startswith(_PDF_MAGIC) else None)
            kind = _DOCUMENT_FORMATS.get((media_type or "").partition(";")[0])
            if kind is None:
                raise Unsupported(f"Bedrock does not take files of the type {media_type}.", param=f"{path}.file.file_data")
            block["format"] = kind
            block["source"] = {"bytes": document.data}
        else:
            where = f"{path}.file.file_id" if document.file_id is not None else f"{path}.file"
            raise Unsupported("Bedrock takes files as data, neither by URL nor by an id.", param=where)
        if document.context is not None:
            block["context"] = document.context
        if document.cite:
            block["citations"] = {"enabled": True}
        return {"document": block}

    def _name(self, title: str) -> str:
        """A name in the only letters that Bedrock takes, unlike all before it."""
        clean = _SPACES.sub(" ", _NOT_A_NAME.sub("-", title)).strip()[: _MOST_NAME - 6] or "document"
        name, number = clean, 1
        while name in self._names:
            number += 1
            name = f"{clean} ({number})"
        self._names.add(name)
        return name

    def _reasoning(self, part: Reasoning, path: str) -> Block:
        if part.redacted is not None:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        if part.signature is None and self._family is Family.CLAUDE:
            where = f"{path.rsplit('.content[', 1)[0]}.reasoning_content"
            raise Unsupported("Claude takes back only reasoning that it signed; leave it out.", param=where)
        text = {"text": part.text} if part.signature is None else {"text": part.text, "signature": part.signature}
        return {"reasoningContent": {"reasoningText": text}}

    def _result(self, result: ToolResult, path: str) -> Block:
        content = [self._block(part, f"{path}.content[{index}]") for index, part in enumerate(result.parts)]
        block: Block = {"toolUseId": call_id(result.call_id), "content": [one for one in content if one is not None]}
        if result.is_error:
            block["status"] = "error"
        return {"toolResult": block}


def cache_point(cache: str | None, family: Family) -> Block | None:
    """The block behind a marked one. A mark is a hint: families that keep no prompts are not asked to, and only Claude has lifetimes."""
    if cache is None or family not in _MARKED:
        return None
    point = {"type": "default"}
    if cache in {"5m", "1h"} and family is Family.CLAUDE:
        point["ttl"] = cache
    return {"cachePoint": point}


def call_id(value: str) -> str:
    """An id in the only letters and the length that Bedrock takes; different ids stay different, and are only compared within one request.

    Source: API_runtime_ToolUseBlock.html, pattern of `toolUseId`.
    """
    return value if _ID.fullmatch(value) else f"call_{sha256(value.encode()).hexdigest()[:40]}"


def _image(image: Image, path: str) -> Block:
    # "high" and "auto" ask for what happens here anyway; "low" asks for a cheaper reading.
    if image.detail not in {None, "auto", "high"}:
        raise Unsupported(f"Bedrock cannot read a picture at {image.detail} detail.", param=f"{path}.image_url.detail")
    if image.data is None:
        raise Unsupported("Bedrock takes pictures as base64 data, not by URL.", param=f"{path}.image_url.url")
    kind = _IMAGE_FORMATS.get(image.media_type or "")
    if kind is None:
        raise Unsupported(f"Bedrock does not take pictures of the type {image.media_type}.", param=f"{path}.image_url.url")
    return {"image": {"format": kind, "source": {"bytes": image.data}}}
