"""Files and lists of them, in OpenAI's words.

Source: platform.openai.com/docs/api-reference/files/object.
"""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.domain.batch import StoredFile
from ninefold.wire.json_members import encode


def encode_one(file: StoredFile) -> bytes:
    """The file's object."""
    return encode(_object(file))


def encode_list(files: Sequence[StoredFile], *, more: bool) -> bytes:
    """One page of a list."""
    first, last = (files[0].file_id, files[-1].file_id) if files else (None, None)
    return encode({"object": "list", "data": [_object(file) for file in files], "first_id": first, "last_id": last, "has_more": more})


def encode_deleted(file_id: str) -> bytes:
    """That the file is gone."""
    return encode({"id": file_id, "object": "file", "deleted": True})


def _object(file: StoredFile) -> dict[str, object]:
    return {
        "id": file.file_id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }
