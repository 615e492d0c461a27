"""The spine: every call of a model, on every surface, passes here and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from ninefold.domain.call import SAYS_NOTHING, ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.decision import Decision, Verdict
from ninefold.domain.errors import ApprovalRequired, ModelNotFound, NinefoldError, PolicyDenied
from ninefold.domain.snapshot import Snapshot, Tenant
from ninefold.domain.usage import Usage
from ninefold.gateway.answer import Answer, Book
from ninefold.gateway.attribute import attribute
from ninefold.gateway.dispatch import Task, Won
from ninefold.gateway.inflight import InFlight
from ninefold.gateway.parts import Asked, Parts
from ninefold.gateway.prepare import is_prepared, prepare, told
from ninefold.gateway.reuse import Reuse
from ninefold.gateway.shedding import Gate
from ninefold.gateway.summary import about, regions_of, summary_call, summary_in
from ninefold.gateway.telling import Teller, Told
from ninefold.ports.meter import Hold, HoldRequest
from ninefold.ports.router import Plan


class Gateway:
    """Answers calls under one snapshot at a time; `use` swaps it between two requests, never within one."""

    def __init__(self, parts: Parts, snapshot: Snapshot) -> None:
        self._parts = parts
        self.inflight = InFlight()
        self.gate = Gate(snapshot.load)
        self._teller = Teller(parts)
        self.reuse = Reuse(parts, self._teller)
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Requests from now on are judged by `snapshot`."""
        self.snapshot = snapshot
        self._parts.board.use(snapshot)
        self.gate.use(snapshot.load)
        self.reuse.use(snapshot)
        self._sharing = self.reuse.models
        self._preparing = frozenset(model.name for model in snapshot.models if is_prepared(model))
        self._models = frozenset(model.name for model in snapshot.models)
        self._tenants = {tenant.name: tenant for tenant in snapshot.tenants}

    async def complete(self, asked: Asked) -> Answer:
        """The answer, or its first content, admitted, held and on record. Raises: any error of the tree, on record too."""
        parts, facts = self._parts, asked.facts
        hold: Hold | None = None
        waiting = self.inflight.wait(facts.key_id)
        try:
            decision = self._decide(asked)
            tenant = self._tenants[asked.who.tenant]
            if self.gate.bounded and asked.place is None:
                decision, tenant = await self._let_in(asked, decision, tenant)
            plan = self._plan(asked, decision, tenant)
            if asked.call.model in self._preparing:
                await self._prepare(asked, plan)
            request = self._worst_case(asked, plan, tenant)
            if asked.call.idempotency_key or asked.call.model in self._sharing:
                answer = await self.reuse.answer(asked, decision, plan, request)
            else:
                hold = parts.meter.try_hold(request) or await parts.meter.hold(request)
                answer = await self._dispatched(asked, decision, plan, hold)
        except BaseException as error:
            cause = waiting.cause(error)
            self._refuse(asked, hold, cause)
            if cause is error:
                raise
            raise cause from error
        finally:
            self.inflight.leave(facts.key_id, waiting)
        return await self._handed_over(asked, tenant, answer)

    async def _dispatched(self, asked: Asked, decision: Decision, plan: Plan, hold: Hold) -> Answer:
        parts = self._parts
        cap = hold.request.output_tokens_bound // max(asked.call.choices, 1)
        won = await parts.dispatch.run(Task(plan=plan, call=asked.ready or asked.call, hold=hold, output_cap=cap))
        first_s = parts.monotonic() - asked.began
        book = self._book(asked, decision, plan, hold, won, first_s)
        return Answer(won.deployment.name, asked.facts.trace_id, book, won.got, first_s)

    def _decide(self, asked: Asked) -> Decision:
        decision = self._parts.policy.decide(self.snapshot, asked.who, asked.call, asked.decision_id)
        self._parts.recorder.decided(asked.facts, decision)
        self._enforce(decision, asked.call.model)
        return decision

    async def _let_in(self, asked: Asked, decision: Decision, tenant: Tenant) -> tuple[Decision, Tenant]:
        """A place is taken; what was decided, once more where another snapshot came while the request waited."""
        before = self.snapshot
        asked.place = await self.gate.enter(asked.call.priority, tenant.priority)
        if self.snapshot is before:
            return decision, tenant
        asked.decision_id += "-again"
        decision = self._decide(asked)
        return decision, self._tenants[asked.who.tenant]

    def _plan(self, asked: Asked, decision: Decision, tenant: Tenant) -> Plan:
        parts = self._parts
        if decision.ruling is not None and (task_class := decision.ruling.route_to):
            asked.call = replace(asked.call, task_class=task_class)
        return parts.router.plan(self.snapshot, tenant, asked.call, parts.board.health(parts.monotonic()), parts.draw())

    async def _prepare(self, asked: Asked, plan: Plan) -> None:
        async def summarised(model: str, text: str) -> str:
            call = summary_call(model, text, asked.call, regions_of(asked.call, plan.model))
            return summary_in(await self.complete(about(asked, call)))

        ready, changes = await prepare(asked.call, plan, summarised)
        if ready is not asked.call:
            asked.ready, asked.changes = ready, told(changes)

    def _enforce(self, decision: Decision, model: str) -> None:
        if decision.allowed:
            return
        if model not in self._models:
            raise ModelNotFound(f"There is no model {model[:100]!r}; GET /v1/models lists those you may use.", param="model")
        refusal = ApprovalRequired if decision.verdict is Verdict.REQUIRE_APPROVAL else PolicyDenied
        raise refusal(" ".join(reason.detail for reason in decision.reasons))

    async def _handed_over(self, asked: Asked, tenant: Tenant, answer: Answer) -> Answer:
        if answer.streams:
            self.inflight.enter(asked.who.key_id, answer)
        if tenant.durability == "strict":
            try:
                await self._parts.recorder.synced()
            except BaseException:
                self.inflight.leave(asked.who.key_id, answer)
                answer.abandon()
                raise
        return answer

    def _worst_case(self, asked: Asked, plan: Plan, tenant: Tenant) -> HoldRequest:
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
            input_tokens_bound=(asked.ready or call).input_tokens_bound,
            output_tokens_bound=_worst_output_tokens(call, plan, tenant),
            now=self._parts.wall(),
        )

    def _book(self, asked: Asked, decision: Decision, plan: Plan, hold: Hold, won: Won, first_s: float) -> Book:
        parts = self._parts
        told = Told(
            asked=asked,
            decision=decision,
            plan=plan,
            deployment=won.deployment.name,
            attempts=won.attempts,
            first_s=first_s,
            facts=won.facts,
        )

        def book(usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...]) -> tuple[CostLine, str, str]:
            try:
                line = parts.meter.settle(hold, won.attempt_id, usage, outcome)
                parts.meter.close(hold)
            except NinefoldError:  # a full journal: nothing is told of this answer, so its place is given back here
                if asked.place is not None:
                    asked.place.leave()
                raise
            finally:
                parts.dispatch.ended(won, outcome)
            route, envelopes = self._teller.tell(told, line, status, calls)
            return line, route, envelopes

        return book

    def _refuse(self, asked: Asked, hold: Hold | None, error: BaseException) -> None:
        if asked.place is not None:
            asked.place.leave()
        code, detail = (error.code, error.detail) if isinstance(error, NinefoldError) else ("client_closed", "")
        try:
            if hold is not None:
                self._parts.meter.close(hold)
            self._parts.recorder.refused(asked.facts, code, detail)
        finally:
            self._parts.recorder.commit()  # also where the journal takes no more: the next request finds room once the disk has some


def _worst_output_tokens(call: ModelCall, plan: Plan, tenant: Tenant) -> int:
    """The most output tokens this call can produce on any deployment of the plan, all choices together."""
    if call.operation in SAYS_NOTHING:
        return 0
    if call.max_output_tokens is not None:
        return call.max_output_tokens * call.choices
    most = max(deployment.max_output_tokens for deployment in plan.deployments)
    return call.choices * (most if tenant.max_output_tokens is None else min(most, tenant.max_output_tokens))
