"""How the records of one epoch become rows of the ledger; pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ninefold.domain.cost import Outcome
from ninefold.finops.records import Answered, Closed, Decided, Held, Intended, Record, Refused, Settled
from ninefold.finops.slices import REQUESTS
from ninefold.ports.ledger import AnswerRow, Booking, DecisionRow, LedgerLine, RefusalRow

_SETTLE, _ADJUST = "settle", "adjust"


class OpenHold(msgspec.Struct, array_like=True):
    """A hold whose end has not been read: its record, its accounts and the attempts that are not settled."""

    held: Held
    accounts: list[tuple[str, int]]
    attempts: dict[str, Intended]
    counted: bool = False


class Joined(msgspec.Struct, array_like=True):
    """What is known of one epoch up to a place in its journal.

    `spent` is each account's total of everything read so far. Once the epoch is `dead`, `interrupted` holds the attempts that stand
    at their hold. `orphans` counts settlements whose hold was not in the readable part.
    """

    holds: dict[str, OpenHold] = {}
    spent: dict[str, int] = {}
    interrupted: dict[str, Intended] = {}
    dead: bool = False
    orphans: int = 0


_decode_accounts = msgspec.msgpack.Decoder(list[tuple[str, int]])
_state_decoder = msgspec.msgpack.Decoder(Joined)
_state_encoder = msgspec.msgpack.Encoder()


def load_state(data: bytes) -> Joined:
    """The state that `save_state` wrote; a new one for no bytes."""
    return _state_decoder.decode(data) if data else Joined()


def save_state(state: Joined) -> bytes:
    """The state as bytes."""
    return _state_encoder.encode(state)


def join(state: Joined, records: Iterable[Record]) -> Booking:
    """The rows that `records` complete; `state` has moved behind them."""
    lines: list[LedgerLine] = []
    decisions: list[DecisionRow] = []
    answers: list[AnswerRow] = []
    refusals: list[RefusalRow] = []
    for record in records:
        match record:
            case Held():
                accounts = _decode_accounts.decode(record.accounts)
                # A copy: Raw is a view into the whole piece that was read.
                record.accounts = record.accounts.copy()
                state.holds[record.request_id] = OpenHold(record, accounts, {})
            case Intended():
                _intend(state, record)
            case Settled():
                line = _settle(state, record)
                if line is not None:
                    lines.append(line)
            case Closed():
                hold = state.holds.get(record.request_id)
                if hold is not None and not state.dead:
                    del state.holds[record.request_id]
            case Decided():
                decisions.append(DecisionRow(**msgspec.structs.asdict(record)))
            case Answered():
                answers.append(AnswerRow(**msgspec.structs.asdict(record)))
            case Refused():
                refusals.append(RefusalRow(**msgspec.structs.asdict(record)))
    return Booking(lines=tuple(lines), decisions=tuple(decisions), answers=tuple(answers), refusals=tuple(refusals))


def bury(state: Joined) -> tuple[LedgerLine, ...]:
    """The epoch is dead and read to its end: every attempt that is not settled stands at its hold, as interrupted. Idempotent."""
    lines: list[LedgerLine] = []
    state.dead = True
    for request_id, hold in list(state.holds.items()):
        if not hold.attempts:
            del state.holds[request_id]
        for intent in hold.attempts.values():
            settled = _at_hold(intent)
            _spend(state, hold, settled, +1)
            lines.append(_line(hold, intent, settled, _SETTLE))
        state.interrupted |= hold.attempts
        hold.attempts = {}
    return tuple(lines)


def _intend(state: Joined, intent: Intended) -> None:
    hold = state.holds.get(intent.request_id)
    if hold is None:
        state.orphans += 1
        return
    hold.attempts[intent.attempt_id] = intent
    if not hold.counted:
        hold.counted = True
        for account_id, code in hold.accounts:
            if code == REQUESTS:
                state.spent[account_id] = state.spent.get(account_id, 0) + 1


def _settle(state: Joined, settled: Settled) -> LedgerLine | None:
    hold = state.holds.get(settled.request_id)
    if hold is not None:
        intent = hold.attempts.pop(settled.attempt_id, None)
        if intent is not None:
            _spend(state, hold, settled, +1)
            return _line(hold, intent, settled, _SETTLE)
        intent = state.interrupted.pop(settled.attempt_id, None)
        if intent is not None:
            at_hold = _at_hold(intent)
            _spend(state, hold, at_hold, -1)
            _spend(state, hold, settled, +1)
            return _line(hold, intent, _difference(settled, at_hold), _ADJUST)
    state.orphans += 1
    return None


def _spend(state: Joined, hold: OpenHold, settled: Settled, sign: int) -> None:
    tokens_in, tokens_out = settled.input_tokens, settled.output_tokens
    used = (settled.cost_nanos, 0, tokens_in + tokens_out, tokens_in, tokens_out, 0)
    for account_id, code in hold.accounts:
        if used[code]:
            state.spent[account_id] = state.spent.get(account_id, 0) + sign * used[code]


def _at_hold(intent: Intended) -> Settled:
    return Settled(
        intent.attempt_id,
        intent.request_id,
        intent.at,
        Outcome.INTERRUPTED.value,
        intent.input_tokens,
        intent.output_tokens,
        0,
        0,
        0,
        True,
        intent.nanos,
        0,
    )


def _difference(later: Settled, first: Settled) -> Settled:
    return msgspec.structs.replace(
        later,
        input_tokens=later.input_tokens - first.input_tokens,
        output_tokens=later.output_tokens - first.output_tokens,
        cost_nanos=later.cost_nanos - first.cost_nanos,
    )


def _line(hold: OpenHold, intent: Intended, settled: Settled, kind: str) -> LedgerLine:
    held, owner = hold.held, dict(hold.held.attribution)
    return LedgerLine(
        attempt_id=settled.attempt_id,
        kind=kind,
        request_id=held.request_id,
        trace_id=held.trace_id,
        decision_id=held.decision_id,
        tenant=held.tenant,
        key_id=held.key_id,
        model=held.model,
        deployment=intent.deployment,
        operation=held.operation,
        product=owner.get("product", ""),
        workflow=owner.get("workflow", ""),
        environment=owner.get("environment", ""),
        feature=owner.get("feature", ""),
        task=owner.get("task_id", ""),
        input_tokens=settled.input_tokens,
        output_tokens=settled.output_tokens,
        cached_input_tokens=settled.cached_input_tokens,
        cache_write_tokens=settled.cache_write_tokens,
        reasoning_tokens=settled.reasoning_tokens,
        cost_nanos=settled.cost_nanos,
        overrun_nanos=settled.overrun_nanos,
        currency=intent.currency,
        price_version=intent.price_version,
        unpriced=intent.unpriced or settled.unpriced,
        estimated=settled.estimated,
        outcome=settled.outcome,
        admitted_at=held.admitted_at,
        started_at=intent.at,
        ended_at=settled.at,
    )
