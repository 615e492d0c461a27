"""The request that came first, and pays for an answer that others may share."""

from __future__ import annotations

import asyncio
import contextlib

from ninefold.domain.answer import Whole
from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.decision import Decision
from ninefold.domain.errors import NinefoldError, Unavailable
from ninefold.domain.usage import Usage
from ninefold.gateway.dispatch import Task, Won
from ninefold.gateway.parts import Asked, Parts
from ninefold.gateway.recording import Recording
from ninefold.gateway.telling import Teller, Told, giving_back
from ninefold.ports.meter import Hold, HoldRequest
from ninefold.ports.router import Plan


class Lead:
    """Holds, dispatches and settles in the leader's name, into a recording that outlives its caller.

    A leader that hangs up while others read hands the answer over: it goes on, and the leader is billed when it ends. The cost is in
    the journal before anybody gets the last byte.
    """

    def __init__(self, parts: Parts, teller: Teller, asked: Asked, decision: Decision, plan: Plan, request: HoldRequest) -> None:
        self._parts = parts
        self._teller = teller
        self._asked = asked
        self._decision = decision
        self._plan = plan
        self._request = request
        self.recording = Recording()
        self._hold: Hold | None = None
        self._won: Won | None = None
        self._told: Told | None = None
        self._line: CostLine | None = None
        self._left_as: str | None = None
        self._over = False

    async def run(self) -> None:
        """The recording has ended or failed, and everything is settled."""
        recording = self.recording
        try:
            won = await self._first()
            got = won.got
            recording.begin(won.deployment, got)
            if isinstance(got, Whole):
                self._conclude(got.usage, Outcome.COMPLETED if got.status < 400 else Outcome.FAILED)
            else:
                while (data := await got.next()) is not None:
                    await recording.add(data)
                self._conclude(got.usage, Outcome.COMPLETED)
            self._parts.recorder.commit()
            recording.end()
        except asyncio.CancelledError:
            recording.fail(Unavailable("The answer was stopped.", retry_after_s=1))
            self._stop(Outcome.CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of this task: every reader is told, and raises it in its own
            try:
                self._stop(Outcome.CUT_SHORT)
            finally:
                recording.fail(error)

    async def _first(self) -> Won:
        parts, request = self._parts, self._request
        hold = self._hold = parts.meter.try_hold(request) or await parts.meter.hold(request)
        cap = request.output_tokens_bound // max(self._asked.call.choices, 1)
        won = self._won = await parts.dispatch.run(
            Task(plan=self._plan, call=self._asked.ready or self._asked.call, hold=hold, output_cap=cap)
        )
        self._told = Told(
            asked=self._asked,
            decision=self._decision,
            plan=self._plan,
            deployment=won.deployment.name,
            attempts=won.attempts,
            first_s=parts.monotonic() - self._asked.began,
            facts=won.facts,
        )
        return won

    @property
    def first_s(self) -> float:
        """Seconds to the first content."""
        return 0.0 if self._told is None else self._told.first_s

    def book(self, usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...]) -> tuple[CostLine, str, str]:
        """See `Answer`. A leader that leaves the others behind has no cost yet."""
        told = self._told
        assert told is not None
        if self._line is None and not self.recording.alone:
            self._left_as = status
            if self._asked.place is not None:
                self._asked.place.leave()
            none = CostLine(attempt_id="", deployment=told.deployment, usage=Usage(), cost_nanos=0, outcome=outcome, price_version="")
            return none, "{}", "[]"
        with giving_back(self._asked):
            line = self._conclude(usage, outcome)
        route, envelopes = self._teller.tell(told, line, status, calls)
        return line, route, envelopes

    def _conclude(self, usage: Usage, outcome: Outcome) -> CostLine:
        """The bill stands in the journal with the next commit; what was said first stays."""
        hold, won, told = self._hold, self._won, self._told
        assert hold is not None
        assert won is not None
        assert told is not None
        line = self._line
        if line is None:
            try:
                line = self._line = self._parts.meter.settle(hold, won.attempt_id, usage, outcome)
                self._parts.meter.close(hold)
            finally:
                self._ended(won, outcome)
            if self._left_as is not None:
                self._teller.tell(told, line, self._left_as, ())
        return line

    def _ended(self, won: Won, outcome: Outcome) -> None:
        if not self._over:
            self._over = True
            self._parts.dispatch.ended(won, outcome)

    def _stop(self, outcome: Outcome) -> None:
        won = self._won
        # A journal that cannot be written says so to the next request; what is not in it counts as its hold.
        with contextlib.suppress(NinefoldError):
            if won is None:
                if self._hold is not None:
                    self._parts.meter.close(self._hold)
            else:
                if not isinstance(won.got, Whole):
                    won.got.abort()
                self._conclude(won.got.usage, outcome)
            self._parts.recorder.commit()
