"""Files that tenants keep here, and batches: many calls, made in the background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A tenant's file; its bytes are in the blob store under `digest`. Times are in seconds since the epoch, UTC."""

    tenant: str
    file_id: str
    name: str
    purpose: str
    size_bytes: int
    digest: str
    created_at: float


class BatchStatus(StrEnum):
    """Where a batch stands; the last four are final.

    Source: platform.openai.com/docs/guides/batch, "Check the status of a batch".
    """

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


FINAL = frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProblem:
    """Why a batch could not begin: the line of its input (from 1) where it is one line's fault."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Calls of one `endpoint`, made under the key that created the batch, not before `start_after` and not after `expires_at`.

    `reached` holds when each status was reached first. `total`, `completed` and `failed` count lines.
    """

    tenant: str
    batch_id: str
    key_id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: float
    expires_at: float
    start_after: float
    status: BatchStatus = BatchStatus.VALIDATING
    metadata: tuple[tuple[str, str], ...] = ()
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[BatchProblem, ...] = ()
    reached: tuple[tuple[str, float], ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in FINAL


def with_wish(stands: Batch, wanted: Batch) -> Batch:
    """What is to stand: a wish to cancel outlives progress that did not know of it."""
    if stands.status is not BatchStatus.CANCELLING or wanted.over or wanted.status is BatchStatus.CANCELLING:
        return wanted
    reached = dict(wanted.reached) | {name: at for name, at in stands.reached if name == BatchStatus.CANCELLING}
    return replace(wanted, status=BatchStatus.CANCELLING, reached=tuple(reached.items()))
