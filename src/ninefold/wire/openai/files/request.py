"""A file as OpenAI's clients upload it.

Source: platform.openai.com/docs/api-reference/files/create.
"""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import multipart

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_KNOWN = frozenset({"file", "purpose"})
_MAX_NAME_CHARS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is to be kept, under which name and for what."""

    name: str
    purpose: str
    data: bytes


def decode(body: bytes, content_type: str) -> Upload:
    """The upload. Raises: InvalidRequest naming the field; Unsupported for one that is not kept here."""
    parts = multipart.parse(body, content_type)
    unknown = next((part.name for part in parts if part.name not in _KNOWN), None)
    if unknown is not None:
        raise Unsupported(f"`{unknown}` is not known here: files stay until they are deleted.", param=unknown)
    purpose = multipart.value(parts, "purpose")
    if purpose not in PURPOSES:
        raise InvalidRequest(f"`purpose` is one of {', '.join(PURPOSES)}.", param="purpose")
    files = [part for part in parts if part.name == "file"]
    if len(files) != 1 or files[0].filename is None:
        raise InvalidRequest("One file must be sent, as `file`, with a name.", param="file")
    name = files[0].filename.replace("\\", "/").rpartition("/")[2][:_MAX_NAME_CHARS]
    if not name or not name.isprintable():
        raise InvalidRequest("The file needs a printable name.", param="file")
    return Upload(name=name, purpose=purpose, data=files[0].data)
