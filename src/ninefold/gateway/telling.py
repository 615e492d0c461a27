"""What stands in the records of how a request was answered."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import msgspec

from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine
from ninefold.domain.decision import Decision
from ninefold.domain.errors import NinefoldError
from ninefold.gateway import envelope
from ninefold.gateway.parts import Asked, Parts
from ninefold.ports.recorder import AnswerFacts
from ninefold.ports.router import Plan


@contextlib.contextmanager
def giving_back(asked: Asked) -> Generator[None]:
    """Where the journal takes no more, nothing is told of an answer: its place in this worker is free all the same."""
    try:
        yield
    except NinefoldError:
        if asked.place is not None:
            asked.place.leave()
        raise


class Told(msgspec.Struct, kw_only=True):
    """One answer's way to its caller, as far as it is known with the first content; `facts` are further members of its route."""

    asked: Asked
    decision: Decision
    plan: Plan
    deployment: str
    attempts: int
    first_s: float
    facts: str = ""


class Teller:
    """Puts answers on record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.routes = envelope.Routes()

    def tell(self, told: Told, line: CostLine, status: str, calls: tuple[ToolCall, ...]) -> tuple[str, str]:
        """The answer is on record, and its place in this worker free. Returns the route and the tool envelopes as they stand in it."""
        parts, asked = self._parts, told.asked
        if asked.place is not None:
            asked.place.leave()
        route = self.routes.text(told.plan, told.deployment, told.attempts, told.decision)
        if told.facts:
            route = route[:-1] + told.facts + "}"
        if asked.changes:
            route = route[:-1] + asked.changes + "}"
        envelopes = envelope.tool_calls(calls, parts.offered(asked.call), parts.verdict) if calls else "[]"
        duration_ms = (parts.monotonic() - asked.began) * 1000
        on_record = self.routes.on_record(told.plan, route)
        facts = AnswerFacts(told.deployment, told.attempts, status, on_record, envelopes, told.first_s * 1000, duration_ms, line.cost_nanos)
        parts.recorder.answered(asked.facts, facts)
        parts.recorder.commit()
        return route, envelopes
