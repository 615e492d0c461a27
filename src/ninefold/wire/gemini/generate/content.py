"""The parts of a content: text, thoughts, pictures, files.

Source: ai.google.dev/api/caching#Part.
"""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import urlsplit

from ninefold.domain.chat import Document, Image, Part, Reasoning, Refusal, Text
from ninefold.domain.errors import Unsupported
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import signature
from ninefold.wire.gemini.generate.calls import Pairing
from ninefold.wire.json_object import Extra

_URL_SAFE = str.maketrans("-_", "+/")
_PDF, _PDF_MAGIC = "application/pdf", "JVBERi0"
# Files in these places can be read by Google alone.
_OWN_HOSTS = {"generativelanguage.googleapis.com", "youtube.com", "www.youtube.com", "youtu.be"}
_EXTENSION = re.compile(r"\.(\w{2,5})$")
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": _PDF,
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
}


def read(part: CamelObject, pairing: Pairing, extra: Extra) -> list[Part]:
    """What a part says, in one or two parts of ours; what the domain has no word for stands in `extra`."""
    signed = part.text("thoughtSignature") or ""
    thought = part.flag("thought") or False
    found: list[Part] = []
    if part.kind("functionCall"):
        found = [pairing.call(part, signed, extra)]
    elif part.kind("functionResponse"):
        found = [pairing.result(part, extra)]
    elif part.kind("text"):
        found = read_text(part.need_text("text"), signed, thought=thought)
    elif part.kind("inlineData") or part.kind("fileData"):
        media = _read_media(part, extra)
        if media is None:
            return []
        found = [media]
    elif signed:
        found = read_text("", signed, thought=thought)
    else:
        part.whole(extra)
        return []
    part.left(extra, {"partMetadata": ({},)})
    return found


def read_text(text: str, signed: str, *, thought: bool) -> list[Part]:
    """Text or thought and its signature; a signature of plain text comes behind it."""
    if thought:
        reasoning = signature.read(signed, text)
        return [] if reasoning is None else [reasoning]
    found: list[Part] = [Text(text=text)] if text else []
    reasoning = signature.read(signed)
    return found if reasoning is None else [*found, reasoning]


def _read_media(part: CamelObject, extra: Extra) -> Image | Document | None:
    inline = part.object("inlineData")
    if inline is not None:
        media_type, data = inline.need_text("mimeType"), _standard(inline.need_text("data"))
        title = inline.text("displayName")
        inline.left(extra)
        if media_type.startswith("image/"):
            return Image(data=data, media_type=media_type)
        if not media_type.startswith(("audio/", "video/")):
            return Document(data=data, media_type=media_type, title=title)
    else:
        file = part.need_object("fileData")
        url, media_type, title = file.need_text("fileUri"), file.text("mimeType") or "", file.text("displayName")
        file.left(extra)
        parsed = urlsplit(url)
        if parsed.scheme in {"http", "https"} and parsed.hostname not in _OWN_HOSTS:
            if media_type.startswith("image/"):
                return Image(url=url, media_type=media_type)
            if not media_type.startswith(("audio/", "video/")):
                return Document(url=url, media_type=media_type or None, title=title)
    part.whole(extra)
    return None


def _standard(data: str) -> str:
    """The base64 as other vendors read it.

    Source: protobuf.dev/programming-guides/json: bytes may come in either alphabet, padded or not; Google's own clients send the URL one.
    """
    data = data.translate(_URL_SAFE)
    return data + "=" * (-len(data) % 4)


def write(part: Text | Image | Document | Reasoning | Refusal, path: str) -> dict[str, object] | None:
    """One part; None for a text that says nothing, which the API refuses. A cache mark is a hint to another vendor's cache.

    Raises: Unsupported below `path`, the part's place in the caller's request.
    """
    match part:
        case Text() | Refusal():
            return {"text": part.text} if part.text else None
        case Reasoning():
            return _write_reasoning(part, path)
        case Image():
            return _write_image(part, path)
        case Document():
            return _write_document(part, path)


def _write_reasoning(part: Reasoning, path: str) -> dict[str, object] | None:
    """A thought under its own signature; one that another vendor signed goes without, as Gemini verifies what it gets."""
    if part.redacted is not None:
        raise Unsupported("Gemini cannot read reasoning that another vendor encrypted; leave it out.", param=path)
    signed = signature.own(part.signature)
    if not part.text:
        return None if signed is None else {"text": "", "thoughtSignature": signed}
    thought: dict[str, object] = {"text": part.text, "thought": True}
    return thought if signed is None else thought | {"thoughtSignature": signed}


def _write_image(image: Image, path: str) -> dict[str, object]:
    # "high" and "auto" ask for what happens here anyway; "low" asks for a cheaper reading.
    if image.detail not in {None, "auto", "high"}:
        raise Unsupported(f"Gemini cannot read a picture at {image.detail} detail.", param=f"{path}.image_url.detail")
    if image.url is not None:
        return _write_url(image.url, image.media_type, path)
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type
    if not media_type:
        raise Unsupported("Gemini needs the type of a picture.", param=f"{path}.image_url.url")
    return {"inlineData": {"mimeType": media_type, "data": image.data or ""}}


def _write_document(document: Document, path: str) -> dict[str, object]:
    """A file. Its title is a label for people, and there is no place for it."""
    if document.context is not None:
        raise Unsupported("Gemini has no context for a file.", param=f"{path}.context")
    if document.cite:
        raise Unsupported("Gemini does not cite files.", param=f"{path}.citations")
    if document.file_id is not None:
        raise Unsupported("A file that was uploaded to another vendor is not known here.", param=f"{path}.file.file_id")
    if document.url is not None:
        return _write_url(document.url, document.media_type, path)
    if document.text is not None:
        return {"inlineData": {"mimeType": "text/plain", "data": b64encode(document.text.encode()).decode()}}
    data = document.data
    if data is None:
        raise Unsupported("A file needs data or a URL.", param=f"{path}.file")
    media_type = document.media_type or (_PDF if data.startswith(_PDF_MAGIC) else None)
    if media_type is None:
        raise Unsupported("Gemini needs the type of a file.", param=f"{path}.file.file_data")
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _write_url(url: str, media_type: str | None, path: str) -> dict[str, object]:
    """A file by its address. Source: ai.google.dev/gemini-api/docs/file-input-methods, "External HTTP URLs"."""
    parsed = urlsplit(url)
    if parsed.scheme not in {"http", "https"}:
        raise Unsupported("Gemini takes pictures and files by http or https URL, or as base64 data.", param=f"{path}.url")
    file: dict[str, object] = {"fileUri": url}
    extension = _EXTENSION.search(parsed.path)
    known = media_type or (_TYPES.get(extension.group(1).lower()) if extension else None)
    if known is not None:
        file["mimeType"] = known
    return {"fileData": file}
