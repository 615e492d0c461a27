"""Answers that several requests share: kept ones, those under way, and those that were given before under the same idempotency key."""

from __future__ import annotations

import copy
from dataclasses import replace

import msgspec

from ninefold.domain.answer import Whole
from ninefold.domain.call import Operation
from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.decision import Decision
from ninefold.domain.money import Price
from ninefold.domain.snapshot import Deployment, Snapshot
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.gateway.answer import Answer, Book
from ninefold.gateway.answer_key import AnswerKeys
from ninefold.gateway.cache import ExactCache, Kept
from ninefold.gateway.lead import Lead
from ninefold.gateway.micro_batch import Member, MicroBatches, Part
from ninefold.gateway.parts import Asked, Parts
from ninefold.gateway.recording import Recording
from ninefold.gateway.replay import Claim, ClaimedAnswer, Claims, again
from ninefold.gateway.telling import Teller, Told, giving_back
from ninefold.ports.answer_store import Standing
from ninefold.ports.meter import Hold, HoldRequest
from ninefold.ports.router import Plan
from ninefold.ports.upstream import Stream

MISS, EXACT, COALESCED, REPLAY = "miss", "exact", "coalesced", "replay"
_FREE = Price(version="reused", input_per_million=0, output_per_million=0, cached_input_per_million=0, cache_write_per_million=0)


class _Request(msgspec.Struct, kw_only=True):
    asked: Asked
    decision: Decision
    plan: Plan
    hold: HoldRequest
    claim: Claim | None = None


class Reuse:
    """Answers without asking an upstream where that is allowed, and lets others share what it asks for.

    Whoever gets an answer that another pays has its own decision, its own place in every limit on requests, and a cost line of zero.
    """

    def __init__(self, parts: Parts, teller: Teller) -> None:
        self._parts = parts
        self._teller = teller
        self.cache = ExactCache(parts.monotonic)
        self.claims = Claims(parts.answers, parts.holder, parts.wall)
        self._batches = MicroBatches(parts, teller)
        self._running: dict[bytes, Recording] = {}

    def use(self, snapshot: Snapshot) -> None:
        """Requests from now on are judged by `snapshot`."""
        sharing = (model for model in snapshot.models if model.cache_ttl_s > 0 or model.coalesce or model.micro_batch_ms > 0)
        self.models = frozenset(model.name for model in sharing)
        self._keys = AnswerKeys(snapshot)
        self.claims.ttl_s = snapshot.idempotency_ttl_s

    async def answer(self, asked: Asked, decision: Decision, plan: Plan, hold: HoldRequest) -> Answer:
        """The answer, or its first content; `hold` is what it costs at worst where an upstream is asked. Raises: any error of the tree."""
        request = _Request(asked=asked, decision=decision, plan=plan, hold=hold)
        if not asked.call.idempotency_key:
            return await self._shared(request)
        found = await self.claims.take(asked, plan.model.timeouts.total_s)
        if isinstance(found, Standing):
            return await self._replayed(request, found)
        request.claim = found
        try:
            answer = await self._shared(request)
        except BaseException:
            self.claims.leave(found)
            raise
        if answer.body is not None and isinstance(answer, ClaimedAnswer):
            try:
                await answer.keep_whole()
            except BaseException:
                answer.let_go()
                raise
        return answer

    async def _shared(self, request: _Request) -> Answer:
        call, model, claim = request.asked.call, request.plan.model, request.claim
        if claim is not None and claim.recording is not None:
            return await self._follow(request, claim.recording)
        if not self._keys.cover(request.plan):  # another snapshot came while this request waited: it goes alone
            return await self._lead(request, None)
        key = None
        if (model.cache_ttl_s > 0 or model.coalesce) and call.operation is not Operation.PASSTHROUGH:
            key = self._keys.key(request.hold.tenant, call, request.decision.policy_version)
            if not call.fresh:
                kept = self.cache.get(key)
                if kept is not None:
                    return await self._given(request, kept.deployment, kept.again(), EXACT)
                running = self._running.get(key)
                if running is not None and running.joinable:
                    return await self._follow(request, running)
        if model.micro_batch_ms > 0 and call.operation is Operation.EMBEDDINGS and claim is None:
            bodiless = copy.copy(call)
            bodiless.body = b""
            shape = self._keys.key(request.hold.tenant, bodiless, request.decision.policy_version)
            found = await self._batches.share(request.asked, request.decision, request.plan, request.hold, shape)
            if found is not None:
                return self._batched(request, *found, key)
        return await self._lead(request, key)

    def _batched(self, request: _Request, member: Member, part: Part, key: bytes | None) -> Answer:
        """A share of a batch, which is paid already."""
        first_s = self._parts.monotonic() - request.asked.began
        told = member.told(part.deployment, part.attempts, first_s)
        model = request.plan.model
        if key is not None and model.cache_ttl_s > 0 and request.asked.call.keep:
            whole = part.whole
            kept = Kept(deployment=part.deployment, tail=whole.body, tool_calls=(), content_type=whole.content_type)
            self.cache.put(key, kept, model.cache_ttl_s)

        def book(usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...]) -> tuple[CostLine, str, str]:
            del usage, outcome  # settled with the batch
            route, envelopes = self._teller.tell(told, part.line, status, calls)
            return part.line, route, envelopes

        return self._made(request, part.deployment, part.whole, book, first_s, MISS)

    async def _lead(self, request: _Request, key: bytes | None) -> Answer:
        lead = Lead(self._parts, self._teller, request.asked, request.decision, request.plan, request.hold)
        recording = lead.recording
        reader = recording.join(leads=True)
        if request.claim is not None:
            request.claim.answered_by(recording)
        if key is not None and request.plan.model.coalesce and not request.asked.call.fresh:
            self._running[key] = recording
        recording.run(self._run(lead, key, request))
        deployment, got = await reader.begin()
        return self._made(request, deployment, got, lead.book, lead.first_s, MISS)

    async def _run(self, lead: Lead, key: bytes | None, request: _Request) -> None:
        try:
            await lead.run()
        finally:
            if key is not None and self._running.get(key) is lead.recording:
                del self._running[key]
        model = request.plan.model
        if key is not None and model.cache_ttl_s > 0 and request.asked.call.keep:
            kept = lead.recording.kept()
            if kept is not None:
                self.cache.put(key, kept, model.cache_ttl_s)

    async def _follow(self, request: _Request, recording: Recording) -> Answer:
        reader = recording.join()
        if request.claim is not None and request.claim.recording is None:
            request.claim.answered_by(recording)
        hold: Hold | None = None
        try:
            hold = await self._hold_nothing(request)
            deployment, got = await reader.begin()
            return self._free(request, hold, deployment, got, COALESCED)
        except BaseException:
            reader.abort()
            if hold is not None:
                self._parts.meter.close(hold)
            raise

    async def _replayed(self, request: _Request, standing: Standing) -> Answer:
        kept = standing.answer
        assert kept is not None
        deployment = Deployment(name=kept.deployment, provider="", base_url="", model="")
        answer = await self._given(request, deployment, again(kept), REPLAY)
        answer.original_trace_id = standing.trace_id
        return answer

    async def _given(self, request: _Request, deployment: Deployment, got: Whole | Stream, how: str) -> Answer:
        """An answer that is there already."""
        hold = await self._hold_nothing(request)
        try:
            return self._free(request, hold, deployment, got, how)
        except BaseException:
            self._parts.meter.close(hold)
            raise

    async def _hold_nothing(self, request: _Request) -> Hold:
        """No money and no tokens, but a request: limits on those count it."""
        meter = self._parts.meter
        nothing = msgspec.structs.replace(request.hold, deployments=(), input_tokens_bound=0, output_tokens_bound=0)
        return meter.try_hold(nothing) or await meter.hold(nothing)

    def _free(self, request: _Request, hold: Hold, deployment: Deployment, got: Whole | Stream, how: str) -> Answer:
        parts, asked = self._parts, request.asked
        attempt_id = f"{asked.facts.request_id}.1"
        parts.meter.begin(hold, attempt_id, replace(deployment, price=_FREE))
        parts.recorder.commit()
        first_s = parts.monotonic() - asked.began
        told = Told(
            asked=asked,
            decision=request.decision,
            plan=request.plan,
            deployment=deployment.name,
            attempts=0,
            first_s=first_s,
            facts=f',"cache":"{how}"',
        )

        def book(usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...]) -> tuple[CostLine, str, str]:
            del usage  # somebody else has paid it
            with giving_back(asked):
                line = parts.meter.settle(hold, attempt_id, NO_USAGE, Outcome.REUSED if outcome is Outcome.COMPLETED else outcome)
                parts.meter.close(hold)
            route, envelopes = self._teller.tell(told, line, status, calls)
            return line, route, envelopes

        return self._made(request, deployment, got, book, first_s, how)

    def _made(self, request: _Request, deployment: Deployment, got: Whole | Stream, book: Book, first_s: float, how: str) -> Answer:
        trace_id, claim = request.asked.facts.trace_id, request.claim
        if claim is None:
            answer = Answer(deployment.name, trace_id, book, got, first_s)
        else:
            answer = ClaimedAnswer(deployment.name, trace_id, book, got, first_s, claims=self.claims, claim=claim)
        answer.cache = how
        return answer
