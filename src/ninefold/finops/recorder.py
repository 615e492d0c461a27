"""The worker's journal in the words of requests."""

from __future__ import annotations

from ninefold.domain.decision import Decision, Reason, Verdict
from ninefold.finops.records import Answered, Decided, Refused
from ninefold.ports.journal import Journal
from ninefold.ports.recorder import AnswerFacts, RequestFacts

_ALLOW = Verdict.ALLOW.value  # an enumeration's `value` is a property that is written in Python


class JournalRecorder:
    """Implements `ninefold.ports.recorder.Recorder` over the journal that the meter of the same worker writes to."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Most requests are allowed for the reasons of the request before.
        self._reasons: tuple[Reason, ...] = ()
        self._reasons_on_record: tuple[tuple[str, str, str, str], ...] = ()

    def decided(self, request: RequestFacts, decision: Decision) -> None:
        reasons = decision.reasons
        if reasons is not self._reasons:
            self._reasons_on_record = tuple([(each.rule, each.verdict.value, each.detail, each.code) for each in reasons])
            self._reasons = reasons
        record = Decided(
            decision.decision_id,
            request.request_id,
            request.trace_id,
            request.tenant,
            request.key_id,
            request.model,
            request.surface,
            request.started_at,
            _ALLOW if decision.verdict is Verdict.ALLOW else decision.verdict.value,
            self._reasons_on_record,
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
