"""The spine: every call of a model, on every surface, passes here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ninefold.domain.call import SAYS_NOTHING, ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.decision import Decision
from ninefold.domain.errors import ModelNotFound, NinefoldError, PolicyDenied
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Snapshot, Tenant
from ninefold.domain.usage import Usage
from ninefold.gateway import envelope
from ninefold.gateway.answer import Answer, Book
from ninefold.gateway.attribute import attribute
from ninefold.gateway.dispatch import Dispatch, Task, Won
from ninefold.gateway.inflight import InFlight
from ninefold.gateway.shedding import Gate, Place
from ninefold.ports.health_board import HealthBoard
from ninefold.ports.meter import Hold, HoldRequest, Meter
from ninefold.ports.policy_decider import PolicyDecider
from ninefold.ports.recorder import AnswerFacts, Recorder, RequestFacts
from ninefold.ports.router import Plan, Router


@dataclass(slots=True, kw_only=True)
class Parts:
    """The planes and clocks that the spine calls; `draw` is uniform in [0, 1), and `offered` reads the tools a call offers (name -> JSON
    Schema text)."""

    policy: PolicyDecider
    router: Router
    meter: Meter
    recorder: Recorder
    board: HealthBoard
    dispatch: Dispatch
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    draw: Callable[[], float]
    offered: Callable[[ModelCall], Mapping[str, str]]
    verdict: envelope.SchemaVerdict


class Asked(msgspec.Struct, kw_only=True):
    """One request as the surface hands it over; `place` is what it takes up in a worker whose load is bounded."""

    who: Principal
    call: ModelCall
    facts: RequestFacts
    decision_id: str
    began: float
    place: Place | None = None


class Gateway:
    """Answers calls under one snapshot at a time; `use` swaps it between two requests, never within one."""

    def __init__(self, parts: Parts, snapshot: Snapshot) -> None:
        self._parts = parts
        self.inflight = InFlight()
        self.gate = Gate(snapshot.load)
        self._routes = envelope.Routes()
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Requests from now on are judged by `snapshot`."""
        self.snapshot = snapshot
        self._parts.board.use(snapshot)
        self.gate.use(snapshot.load)
        self._models = frozenset(model.name for model in snapshot.models)
        self._tenants = {tenant.name: tenant for tenant in snapshot.tenants}

    async def complete(self, asked: Asked) -> Answer:
        """The answer, or its first content, admitted, held and on record. Raises: any error of the tree, on record too."""
        parts, facts = self._parts, asked.facts
        hold: Hold | None = None
        waiting = self.inflight.wait(facts.key_id)
        try:
            decision = parts.policy.decide(self.snapshot, asked.who, asked.call, asked.decision_id)
            parts.recorder.decided(facts, decision)
            self._enforce(decision, asked.call.model)
            tenant = self._tenants[asked.who.tenant]
            if self.gate.bounded:
                asked.place = await self.gate.enter(asked.call.priority, tenant.priority)
            health = parts.board.health(parts.monotonic())
            plan = parts.router.plan(self.snapshot, tenant, asked.call, health, parts.draw())
            request = self._worst_case(asked, plan)
            hold = parts.meter.try_hold(request) or await parts.meter.hold(request)
            cap = request.output_tokens_bound // max(asked.call.choices, 1)
            task = Task(plan=plan, call=asked.call, hold=hold, output_cap=cap)
            won = await parts.dispatch.run(task)
            first_s = parts.monotonic() - asked.began
            answer = Answer(won.deployment.name, facts.trace_id, self._book(asked, decision, plan, hold, won, first_s), won.got, first_s)
        except BaseException as error:
            cause = waiting.cause(error)
            if asked.place is not None:
                asked.place.leave()
            self._refuse(facts, hold, cause)
            if cause is error:
                raise
            raise cause from error
        finally:
            self.inflight.leave(facts.key_id, waiting)
        return await self._handed_over(asked, hold, answer)

    def _enforce(self, decision: Decision, model: str) -> None:
        if decision.allowed:
            return
        if model not in self._models:
            raise ModelNotFound(f"There is no model {model[:100]!r}; GET /v1/models lists those you may use.", param="model")
        raise PolicyDenied(" ".join(reason.detail for reason in decision.reasons))

    async def _handed_over(self, asked: Asked, hold: Hold, answer: Answer) -> Answer:
        if answer.streams:
            self.inflight.enter(asked.who.key_id, answer)
        if hold.request.tenant.durability == "strict":
            try:
                await self._parts.recorder.synced()
            except BaseException:
                answer.abandon()
                self.inflight.leave(asked.who.key_id, answer)
                raise
        return answer

    def _worst_case(self, asked: Asked, plan: Plan) -> HoldRequest:
        tenant = self._tenants[asked.who.tenant]
        call, facts = asked.call, asked.facts
        return HoldRequest(
            request_id=facts.request_id,
            trace_id=facts.trace_id,
            decision_id=asked.decision_id,
            principal=asked.who,
            tenant=tenant,
            model=call.model,
            operation=call.operation.value,
            attribution=attribute(tenant, asked.who, call),
            deployments=plan.deployments,
            input_tokens_bound=call.input_tokens_bound,
            output_tokens_bound=_worst_output_tokens(call, plan, tenant),
            now=self._parts.wall(),
        )

    def _book(self, asked: Asked, decision: Decision, plan: Plan, hold: Hold, won: Won, first_s: float) -> Book:
        parts = self._parts

        def book(usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...]) -> tuple[CostLine, str, str]:
            line = parts.meter.settle(hold, won.attempt_id, usage, outcome)
            parts.meter.close(hold)
            parts.board.ended(won.deployment.name)
            if asked.place is not None:
                asked.place.leave()
            route = won.told(self._routes.text(plan, won.deployment.name, won.attempts, decision))
            envelopes = envelope.tool_calls(calls, parts.offered(asked.call), parts.verdict) if calls else "[]"
            facts = AnswerFacts(
                deployment=won.deployment.name,
                attempts=won.attempts,
                status=status,
                route=route,
                tool_calls=envelopes,
                first_token_ms=first_s * 1000,
                duration_ms=(parts.monotonic() - asked.began) * 1000,
                cost_nanos=line.cost_nanos,
            )
            parts.recorder.answered(asked.facts, facts)
            parts.recorder.commit()
            return line, route, envelopes

        return book

    def _refuse(self, facts: RequestFacts, hold: Hold | None, error: BaseException) -> None:
        if hold is not None:
            self._parts.meter.close(hold)
        code, detail = (error.code, error.detail) if isinstance(error, NinefoldError) else ("client_closed", "")
        self._parts.recorder.refused(facts, code, detail)
        self._parts.recorder.commit()


def _worst_output_tokens(call: ModelCall, plan: Plan, tenant: Tenant) -> int:
    """The most output tokens this call can produce on any deployment of the plan, all choices together."""
    if call.operation in SAYS_NOTHING:
        return 0
    if call.max_output_tokens is not None:
        return call.max_output_tokens * call.choices
    most = max(deployment.max_output_tokens for deployment in plan.deployments)
    return call.choices * (most if tenant.max_output_tokens is None else min(most, tenant.max_output_tokens))
