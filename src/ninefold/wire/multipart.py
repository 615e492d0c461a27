"""Form data with files, read strictly and written anew.

Source: RFC 7578 (multipart/form-data), RFC 2046 §5.1.1 (boundaries).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ninefold.domain.errors import InvalidRequest

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*(name|filename)="([^"\r\n\x00]*)"', re.IGNORECASE)
_MAX_PARTS = 128
_MAX_HEAD_BYTES = 4096


@dataclass(slots=True, kw_only=True)
class Part:
    """One field. `filename` is None for a plain value; `content_type` is "" where none was given."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str = ""


def is_form(content_type: str) -> bool:
    """Whether a body of this type is form data."""
    return content_type[:19].lower() == "multipart/form-data"


def parse(body: bytes, content_type: str) -> list[Part]:
    """The fields in their order. Raises: InvalidRequest for anything that two readers might read differently."""
    found = _BOUNDARY.search(content_type) if is_form(content_type) else None
    if found is None:
        raise InvalidRequest("The body must be multipart/form-data, with its boundary named.", param="content-type")
    delimiter = b"\r\n--" + (found.group(1) or found.group(2)).encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise InvalidRequest("The form data has no end: its last boundary is missing.")
    if len(pieces) > _MAX_PARTS + 2:
        raise InvalidRequest(f"A form has at most {_MAX_PARTS} fields.")
    return [_part(piece) for piece in pieces[1:-1]]


def write(parts: list[Part]) -> tuple[bytes, str]:
    """The body and its content type. The boundary is a digest of the content, so that no file can hold it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.data)
    boundary = "ninefold-" + digest.hexdigest()[:48]
    pieces: list[bytes] = []
    for part in parts:
        file = "" if part.filename is None else f'; filename="{part.filename}"'
        kind = f"Content-Type: {part.content_type}\r\n" if part.content_type else ""
        pieces += [f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{file}\r\n{kind}\r\n'.encode(), part.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def value(parts: list[Part], name: str) -> str | None:
    """The only value of a field that is no file, None where it is missing. Raises: InvalidRequest where it stands twice."""
    found = [part for part in parts if part.name == name]
    if not found:
        return None
    if len(found) > 1 or found[0].filename is not None:
        raise InvalidRequest(f"`{name}` must be given once, as a plain field.", param=name)
    try:
        return found[0].data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"`{name}` is not UTF-8.", param=name) from None


def _part(piece: bytes) -> Part:
    head, found, data = piece.partition(b"\r\n\r\n")
    # White space after a boundary is allowed by the RFC and sent by nobody: what follows it must be the end of its line.
    if not found or not head.startswith(b"\r\n") or len(head) > _MAX_HEAD_BYTES:
        raise InvalidRequest("A field of the form data has no proper head.")
    lines: dict[bytes, bytes] = {}
    for line in head[2:].split(b"\r\n"):
        name, colon, text = line.partition(b":")
        name = name.lower()
        if not colon or name in lines or b"\n" in line or b"\r" in line:
            raise InvalidRequest("A field of the form data has a malformed head.")
        lines[name] = text.strip()
    disposition = lines.get(b"content-disposition", b"")
    named = _PARAMETER.findall(disposition)
    given = {name.lower(): text for name, text in named}
    if not disposition.lower().startswith(b"form-data") or b"name" not in given or len(given) != len(named) or b"*=" in disposition:
        raise InvalidRequest("A field of the form data needs one plain name.")
    if lines.get(b"content-transfer-encoding", b"binary").lower() not in {b"binary", b"8bit", b"7bit"}:
        raise InvalidRequest("Form data must be sent as it is: encodings of transfer are deprecated.")
    try:
        filename = given[b"filename"].decode() if b"filename" in given else None
        return Part(
            name=given[b"name"].decode(), data=data, filename=filename, content_type=lines.get(b"content-type", b"").decode("latin-1")
        )
    except UnicodeDecodeError:
        raise InvalidRequest("The names in form data must be UTF-8.") from None
