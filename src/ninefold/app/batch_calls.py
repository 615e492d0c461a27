"""One line of a batch as a call: through the same spine as every request, under the key that created the batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.batch import Batch
from ninefold.domain.errors import Internal, InvalidRequest, NinefoldError, Unauthenticated
from ninefold.gateway.parts import Asked
from ninefold.http import errors
from ninefold.http.data_plane import SURFACES, DataPlane
from ninefold.http.openai_responses import OPENAI_RESPONSES, Conversations
from ninefold.http.serve_call import Sent
from ninefold.http.visit import Ids
from ninefold.ports.recorder import RequestFacts
from ninefold.wire.openai.batches import lines
from ninefold.wire.openai.batches.lines import Line

_ATTEMPTS = 10
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class BatchCalls:
    """Makes calls. What may succeed later is tried again, some minutes long and as long as the batch is `going`."""

    plane: DataPlane
    conversations: Conversations
    ids: Ids
    wall: Callable[[], float]
    monotonic: Callable[[], float]

    async def answer(self, batch: Batch, line: Line, going: Callable[[], bool]) -> tuple[bool, bytes]:
        """Whether there is an answer, and the line that tells it or says why there is none."""
        attempt = 0
        while True:
            request_id = self.ids.request_id()
            try:
                body = await self._ask(batch, line, request_id)
                return True, lines.answered(batch.batch_id, line, 200, request_id, body)
            except NinefoldError as error:
                attempt += 1
                wait_s = max(min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S), error.retry_after_s or 0.0)
                if not error.retryable or attempt >= _ATTEMPTS or not going():
                    told = errors.openai_body(error)
                    return False, lines.answered(batch.batch_id, line, errors.row(error).status, request_id, told)
            await asyncio.sleep(wait_s)

    async def _ask(self, batch: Batch, line: Line, request_id: str) -> bytes:
        surface, at, trace = SURFACES[batch.endpoint], self.wall(), self.ids.trace(None)
        who = self.plane.keys.holder(batch.key_id, at)
        if who.tenant != batch.tenant:
            raise Unauthenticated("the key that created this batch belongs to another tenant now")
        body = line.body
        turn = None
        if surface is OPENAI_RESPONSES:
            snapshot = self.plane.gateway.snapshot
            turn = self.conversations.turn(who, snapshot.responses_ttl_s, snapshot.max_body_bytes)
            body = await turn.prepare(body)
        call = surface.read(Sent(body=body, method="POST", path=batch.endpoint, query="", content_type="application/json"))
        if call.stream:
            raise InvalidRequest("A line of a batch is answered whole, not as a stream.", param="stream")
        call.received_at, call.traceparent, call.priority = at, trace.traceparent(), "low"
        # Whoever goes on with a batch after a crash gets the answers that were made before it, and pays none of them twice.
        call.idempotency_key = f"{batch.batch_id}/{line.number}"
        call.attribution = (*((name, value) for name, value in call.attribution if name != "task_id"), ("task_id", batch.batch_id))
        facts = RequestFacts(
            request_id=request_id,
            trace_id=trace.trace_id,
            tenant=who.tenant,
            key_id=who.key_id,
            model=call.model[:200],
            surface=surface.name,
            started_at=at,
        )
        asked = Asked(who=who, call=call, facts=facts, decision_id=f"dec-{request_id}", began=self.monotonic())
        answer = await self.plane.gateway.complete(asked)
        if answer.body is None:
            raise Internal("a call that asked for no stream was answered with one")
        if turn is not None:
            await turn.keep(answer.body)
        return answer.body
