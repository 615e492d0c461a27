"""How requests were routed, told from their records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from ninefold.domain.money import usd
from ninefold.ports.ledger import AnswerRow, LedgerLine, TraceRecord

# Members of a recorded route that have a place of their own in an explanation; the others are its facts (cache, hedge, promotions).
_OWN = frozenset({"strategy", "class", "reason", "considered", "deployment", "attempts", "policy_version", "decision_id"})


def route_facts(trace_id: str, record: TraceRecord) -> dict[str, object]:
    """Each request under one trace id: what was planned and why, what was tried, and how it ended."""
    ids = dict.fromkeys(
        [row.request_id for row in record.decisions]
        + [row.request_id for row in record.answers]
        + [row.request_id for row in record.refusals]
    )
    return {
        "trace_id": trace_id,
        "cost_usd": usd(sum(line.cost_nanos for line in record.lines)),
        "requests": [_request(each, record) for each in ids],
    }


def _request(request_id: str, record: TraceRecord) -> dict[str, object]:
    answer = next((row for row in record.answers if row.request_id == request_id), None)
    refusals = [row for row in record.refusals if row.request_id == request_id]
    decision = next((row for row in record.decisions if row.request_id == request_id), None)
    asked = decision or answer or refusals[0]
    lines = sorted((line for line in record.lines if line.request_id == request_id), key=lambda line: (line.started_at, line.attempt_id))
    return {
        "request_id": request_id,
        "tenant": asked.tenant,
        "model": asked.model,
        "surface": asked.surface,
        **_planned(answer),
        "attempts": [_attempt(line) for line in lines],
        "cost_usd": usd(sum(line.cost_nanos for line in lines)),
        "refusals": [{"code": row.code, "detail": row.detail} for row in refusals],
    }


def _planned(answer: AnswerRow | None) -> dict[str, object]:
    """What the answer's route says; a request without an answer has only its attempts and its refusal to tell."""
    route = cast("Mapping[str, object]", json.loads(answer.route)) if answer is not None and answer.route else {}
    return {
        "class": route.get("class", ""),
        "strategy": route.get("strategy", ""),
        "reason": route.get("reason", ""),
        "considered": route.get("considered", []),
        "deployment": "" if answer is None else answer.deployment,
        "status": "" if answer is None else answer.status,
        "duration_ms": 0.0 if answer is None else answer.duration_ms,
        "facts": {name: value for name, value in route.items() if name not in _OWN},
    }


def _attempt(line: LedgerLine) -> dict[str, object]:
    return {
        "attempt_id": line.attempt_id,
        "deployment": line.deployment,
        "outcome": line.outcome,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": usd(line.cost_nanos),
        "started_at": line.started_at,
        "ended_at": line.ended_at,
    }
