"""How the gateway has one deployment answer one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage


@dataclass(slots=True, kw_only=True)
class Splice:
    """Bytes in the caller's protocol with the place where one more JSON member fits: `before` + member + `after`.

    `comma` is False where the member would be the first of its object.
    """

    before: bytes
    after: bytes
    comma: bool = True

    def with_member(self, member: bytes) -> bytes:
        """The bytes with `member` (a `"name":value` pair) in place."""
        return self.before + (b"," if self.comma else b"") + member + self.after

    def plain(self) -> bytes:
        """The bytes as they were."""
        return self.before + self.after


@dataclass(slots=True, kw_only=True)
class Whole:
    """A complete answer, in the caller's protocol."""

    body: Splice
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""


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
    """How long one attempt may take, in seconds, and the output cap to inject where the caller set none."""

    connect_s: float
    first_token_s: float
    idle_s: float
    total_s: float
    max_output_tokens: int
    traceparent: str


class Upstream(Protocol):
    """One vendor's protocol.

    Laws (tests/contracts/test_upstream.py): `check` refuses by field name what the vendor cannot express, and opens no connection;
    `open` with a streamed call returns only once the first content has arrived, so that its caller may still go elsewhere before.
    On failure: Unsupported, InvalidRequest (the vendor blames the request), UpstreamRejected (it blames us), RateLimited (with
    `retry_after_s`), Unavailable, DeadlineExceeded. Every failure has `billable` as `Usage` in its `usage` attribute where known.
    """

    async def open(self, deployment: Deployment, call: ModelCall, limits: AttemptLimits) -> Whole | Stream:
        """The answer, or its first content."""
        ...
