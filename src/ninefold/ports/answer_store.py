"""Where answers are remembered by the caller's idempotency key, so that asking twice is answered once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.allowance import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A wish to be the one that answers under an idempotency key.

    `scope` stands for the key and whoever may use it, `digest` for what is asked. `token` is unique to this claim, `holder` the worker's
    life that makes it. Times are seconds since the epoch, UTC; the claim is void at `until`.
    """

    scope: str
    digest: str
    token: str
    holder: Holder
    trace_id: str
    at: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The bytes of one answer as they left, whole or all pieces of a stream. `body` is None where it was too large to be kept."""

    body: bytes | None
    streamed: bool
    content_type: str
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whose key it is already: what was asked under it, in which trace, and the answer, None while it is not complete."""

    digest: str
    trace_id: str
    answer: KeptAnswer | None


class AnswerStore(Protocol):
    """One row a scope, shared by all workers.

    Laws (tests/contracts/test_answer_store.py): of any number of claims of one scope exactly one is granted; a claim is void at `until`,
    once it was freed, when its worker's life has ended, and for a further claim of the same holder; an answer is kept once `keep` has
    returned, survives a crash, and stands until its own end; only the claim that stands can be kept or freed, and a kept one cannot be
    freed; `sweep` removes nothing that stands.
    On failure: Unavailable. Default: `ninefold.adapters.sql.answers`; `ninefold.adapters.memory.answers` in tests.
    """

    async def claim(self, claim: Claim) -> Standing | None:
        """None where the claim is granted, else what stands. Raises: Unavailable."""
        ...

    async def keep(self, scope: str, token: str, answer: KeptAnswer, until: float) -> bool:
        """Whether the answer is kept now; it is not where the claim is somebody else's meanwhile. Raises: Unavailable."""
        ...

    async def free(self, scope: str, token: str) -> None:
        """The claim stands no more; a kept answer does. Raises: Unavailable."""
        ...

    async def sweep(self, at: float, limit: int) -> int:
        """How many void rows are gone, at most `limit`. Raises: Unavailable."""
        ...
