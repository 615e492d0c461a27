"""How the gateway has one deployment answer one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.ports.http_client import Deadlines


class Stream(Protocol):
    """An answer as it comes, in the caller's protocol, cut at event boundaries.

    Laws (tests/contracts/test_upstream.py): `next` never returns part of an event; it returns None only after the vendor said that
    the answer is complete, and raises StreamInterrupted where the connection ended before that; `usage` is true at any moment.
    """

    async def next(self) -> bytes | None:
        """The next whole events, never empty; None once the answer is complete, with `tail` set. Raises: StreamInterrupted,
        DeadlineExceeded, UpstreamRejected (an error the vendor sent inside its stream)."""
        ...

    @property
    def tail(self) -> Splice:
        """The last events, held back so that the cost can stand in them."""
        ...

    @property
    def usage(self) -> Usage:
        """What was used so far: as reported, else estimated from what was seen."""
        ...

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls the model made, whole."""
        ...

    def abort(self) -> None:
        """The upstream is stopped at once; idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLimits:
    """How long one attempt may take (`first_byte_s` of `deadlines` is the wait for the first content), the output cap to inject where
    the caller set none, and the name that stands in the answer's `model` (None: the caller's)."""

    deadlines: Deadlines
    max_output_tokens: int
    answer_model: str | None = None


class AttemptFailed(Exception):
    """One attempt came to nothing before its first content: `error` says why, `usage` what it may cost all the same.

    `elsewhere` tells whether another deployment might do better; it is False where the request itself is at fault. `other_key` tells
    that the same deployment may be tried again at once: one of its keys was refused, and it has another.
    """

    def __init__(self, error: NinefoldError, *, usage: Usage = NO_USAGE, elsewhere: bool = True, other_key: bool = False) -> None:
        super().__init__(error.detail)
        self.error = error
        self.usage = usage
        self.elsewhere = elsewhere
        self.other_key = other_key


class Upstream(Protocol):
    """Calls deployments in their vendors' protocols.

    Laws (tests/contracts/test_upstream.py): what the vendor cannot express is refused by field name before a connection is opened;
    `open` with a streamed call returns only once the first content has arrived, so that its caller may still go elsewhere before.
    On failure: AttemptFailed.
    """

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        """The answer, or its first content. Raises: AttemptFailed."""
        ...
