"""The worker's journal in the words of requests."""

from __future__ import annotations

from ninefold.domain.decision import Decision
from ninefold.finops.records import Answered, Decided, Refused
from ninefold.ports.journal import Journal
from ninefold.ports.recorder import AnswerFacts, RequestFacts


class JournalRecorder:
    """Implements `ninefold.ports.recorder.Recorder` over the journal that the meter of the same worker writes to."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def decided(self, request: RequestFacts, decision: Decision) -> None:
        record = Decided(
            decision.decision_id,
            request.request_id,
            request.trace_id,
            request.tenant,
            request.key_id,
            request.model,
            request.surface,
            request.started_at,
            decision.verdict.value,
            tuple((reason.rule, reason.verdict.value, reason.detail, reason.code) for reason in decision.reasons),
            decision.policy_version,
        )
        self._journal.append(record)

    def answered(self, request: RequestFacts, answer: AnswerFacts) -> None:
        record = Answered(
            request.request_id,
            request.trace_id,
            request.tenant,
            request.key_id,
            request.model,
            request.surface,
            request.started_at,
            answer.deployment,
            answer.attempts,
            answer.status,
            answer.route,
            answer.tool_calls,
            answer.first_token_ms,
            answer.duration_ms,
            answer.cost_nanos,
        )
        self._journal.append(record)

    def refused(self, request: RequestFacts, code: str, detail: str) -> None:
        record = Refused(
            request.request_id,
            request.trace_id,
            request.tenant,
            request.key_id,
            request.model,
            request.surface,
            request.started_at,
            code,
            detail,
        )
        self._journal.append(record)

    def commit(self) -> None:
        self._journal.commit()

    async def synced(self) -> None:
        await self._journal.synced(self._journal.sequence)
