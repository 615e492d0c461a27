"""What orchestrators learn of the tool calls in an answer, and of the way it took."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

import msgspec

from ninefold.domain.chat import ToolCall
from ninefold.domain.decision import Decision
from ninefold.ports.router import Plan

# (JSON Schema text, decoded arguments) -> "valid", "invalid" or "unusable_schema"
SchemaVerdict = Callable[[str, object], str]

_encode = msgspec.json.Encoder().encode
_ROUTES = 1_000


class _Route(msgspec.Struct):
    strategy: str
    task_class: str = msgspec.field(name="class")
    reason: str
    deployment: str
    attempts: int
    policy_version: str


class _Candidate(msgspec.Struct):
    deployment: str
    taken: bool
    why: str


class _ToolEnvelope(msgspec.Struct):
    tool: str
    call_id: str
    arguments_sha256: str
    schema: str
    permission: str


class Routes:
    """Routes as JSON: how it was chosen, under which policies, and after how many attempts. All but the decision's id is the same for
    many requests, and is written once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, int, str], tuple[Plan, str]] = {}
        self._looked_at: dict[int, tuple[Plan, str]] = {}

    def text(self, plan: Plan, deployment: str, attempts: int, decision: Decision) -> str:
        """The route of one answer."""
        key = (id(plan), deployment, attempts, decision.policy_version)
        known = self._known.get(key)
        if known is None or known[0] is not plan:
            if len(self._known) >= _ROUTES:
                self._known.clear()
            route = _Route(
                strategy=plan.strategy,
                task_class=plan.task_class,
                reason=plan.reason,
                deployment=deployment,
                attempts=attempts,
                policy_version=decision.policy_version,
            )
            known = self._known[key] = (plan, _encode(route)[:-1].decode() + ',"decision_id":"')
        return known[1] + decision.decision_id + '"}'

    def on_record(self, plan: Plan, route: str) -> str:
        """`route` with every deployment that was looked at, and why it was taken or not: what the records hold, too long for an answer."""
        known = self._looked_at.get(id(plan))
        if known is None or known[0] is not plan:
            if len(self._looked_at) >= _ROUTES:
                self._looked_at.clear()
            looked_at = [_Candidate(deployment=each.deployment, taken=each.taken, why=each.why) for each in plan.considered]
            known = self._looked_at[id(plan)] = (plan, ',"considered":' + _encode(looked_at).decode() + "}")
        return route[:-1] + known[1]


def tool_calls(calls: tuple[ToolCall, ...], offered: Mapping[str, str], verdict: SchemaVerdict) -> str:
    """The envelopes of `calls` as a JSON list; `offered` holds the JSON Schema text of each tool that the request offered.

    The digest is SHA-256 over the arguments in canonical form (sorted keys, no spaces), or over the text itself where it is not JSON.
    Whether a call may be made is decided where tools are run; what nobody offered is denied here already.
    """
    return _encode([_envelope(call, offered, verdict) for call in calls]).decode()


def _envelope(call: ToolCall, offered: Mapping[str, str], verdict: SchemaVerdict) -> _ToolEnvelope:
    arguments: object
    try:
        arguments = json.loads(call.arguments or "{}")
        canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        is_json = True
    except (ValueError, RecursionError):
        arguments, canonical, is_json = None, call.arguments, False
    if call.name not in offered:
        schema = "unknown_tool"
    elif not is_json:
        schema = "not_json"
    else:
        schema = verdict(offered[call.name], arguments)
    return _ToolEnvelope(
        tool=call.name,
        call_id=call.call_id,
        arguments_sha256=hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest(),
        schema=schema,
        permission="denied" if schema == "unknown_tool" else "undecided",
    )
