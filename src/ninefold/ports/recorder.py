"""How the gateway makes sure that nothing is answered without a record."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ninefold.domain.decision import Decision


class RequestFacts(msgspec.Struct):
    """Who asked for what; the same in every record of one request. `started_at` is in seconds since the epoch."""

    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    started_at: float


class AnswerFacts(msgspec.Struct):
    """How it went. `route` and `tool_calls` are JSON texts as they stand in the answer; `status` is the HTTP status or, for a stream
    that broke, the error's code."""

    deployment: str
    attempts: int
    status: str
    route: str
    tool_calls: str
    first_token_ms: float
    duration_ms: float
    cost_nanos: int


class Recorder(Protocol):
    """The worker's journal in the words of requests.

    Laws (tests/contracts/test_recorder.py): what was recorded before `commit` returned is read back after `kill -9`.
    On failure: Unavailable from `commit`: no record, no response.
    """

    def decided(self, request: RequestFacts, decision: Decision) -> None:
        """The decision will stand in the journal with the next commit."""
        ...

    def answered(self, request: RequestFacts, answer: AnswerFacts) -> None:
        """The answer's facts will stand in the journal with the next commit."""
        ...

    def refused(self, request: RequestFacts, code: str, detail: str) -> None:
        """The refusal will stand in the journal with the next commit."""
        ...

    def commit(self) -> None:
        """Everything recorded or metered so far is with the operating system. Raises: Unavailable."""
        ...

    async def synced(self) -> None:
        """Everything recorded so far is on stable storage. Raises: Unavailable."""
        ...
