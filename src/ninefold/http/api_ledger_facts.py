"""The books as JSON objects, for the control plane's callers and the command line alike."""

from __future__ import annotations

import json
from dataclasses import asdict

from ninefold.domain.allowance import Balance, Measure
from ninefold.domain.money import usd
from ninefold.ports.ledger import LedgerLine, TraceRecord

# Everything that matches is a place, there may only be nothing behind it.
PLACE = r"^[0-9]{1,12}(\.[0-9]{1,9})?~[!-}]{1,200}~[a-z]{1,20}$"


def line_facts(line: LedgerLine) -> dict[str, object]:
    """One cost line; the cost stands as nano-dollars and as a decimal of dollars."""
    facts = asdict(line)
    owner = {name: facts.pop(name) for name in ("product", "workflow", "environment", "feature", "task")}
    return {
        **facts,
        "cost_usd": usd(line.cost_nanos),
        "attribution": {("task_id" if name == "task" else name): value for name, value in owner.items() if value},
    }


def trace_facts(trace_id: str, record: TraceRecord) -> dict[str, object]:
    """Everything under one trace id: decisions with every reason, cost lines, answers with route and tool-call envelopes, refusals."""
    return {
        "trace_id": trace_id,
        "cost_usd": usd(sum(line.cost_nanos for line in record.lines)),
        "decisions": [
            {
                **asdict(row),
                "reasons": [
                    {"rule": rule, "verdict": verdict, "detail": detail, "code": code} for rule, verdict, detail, code in row.reasons
                ],
            }
            for row in record.decisions
        ],
        "lines": [line_facts(line) for line in record.lines],
        "answers": [
            {**asdict(row), "cost_usd": usd(row.cost_nanos), "route": _document(row.route, {}), "tool_calls": _document(row.tool_calls, [])}
            for row in record.answers
        ],
        "refusals": [asdict(row) for row in record.refusals],
    }


def budget_facts(balance: Balance) -> dict[str, object]:
    """One budget in its current window, in dollars; `left` may be negative after an overrun or a lowered limit."""
    account = balance.account
    assert account.measure is Measure.NANOS
    return {
        "tenant": account.tenant,
        "budget_id": account.source_id,
        "window": account.window,
        "starts_at": account.starts_at,
        "ends_at": account.ends_at,
        "limit_usd": usd(account.capacity),
        "spent_usd": usd(balance.spent),
        "outstanding_usd": usd(balance.outstanding),
        "left_usd": usd(balance.left),
        "overrun_usd": usd(balance.overrun),
        "suspense_usd": usd(balance.suspense),
    }


def page_after(line: LedgerLine) -> str:
    """The name of the place behind `line`, for the next page."""
    return f"{line.admitted_at!r}~{line.attempt_id}~{line.kind}"


def parse_after(text: str) -> tuple[float, str, str]:
    """The place that `page_after` named; `text` matches `PLACE`."""
    at, attempt_id, kind = text.split("~")
    return float(at), attempt_id, kind


def _document(text: str, empty: object) -> object:
    return json.loads(text) if text else empty
