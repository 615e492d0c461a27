"""Batches and lists of them, in OpenAI's words.

Source: platform.openai.com/docs/api-reference/batch/object.
"""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.domain.batch import Batch
from ninefold.wire.json_members import encode

_MOMENTS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


def encode_one(batch: Batch) -> bytes:
    """The batch's object."""
    return encode(_object(batch))


def encode_list(batches: Sequence[Batch], *, more: bool) -> bytes:
    """One page of a list."""
    first, last = (batches[0].batch_id, batches[-1].batch_id) if batches else (None, None)
    return encode({"object": "list", "data": [_object(batch) for batch in batches], "first_id": first, "last_id": last, "has_more": more})


def _object(batch: Batch) -> dict[str, object]:
    reached = dict(batch.reached)
    problems = [{"code": each.code, "message": each.message, "line": each.line, "param": None} for each in batch.problems]
    return {
        "id": batch.batch_id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status.value,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        **{f"{name}_at": int(reached[name]) if name in reached else None for name in _MOMENTS},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": dict(batch.metadata) or None,
    }
