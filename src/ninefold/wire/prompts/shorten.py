"""Conversations that are too long, made to fit by a declared strategy; what was taken out is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from ninefold.domain.call import ModelCall, Wire
from ninefold.domain.errors import ContextTooLong
from ninefold.wire.dialects.token_estimate import estimate
from ninefold.wire.prompts.conversation import Conversation, Unit, conversation

DROP_OLDEST, MIDDLE_OUT, SUMMARISE = "drop_oldest", "middle_out", "summarise"
_UNIT_TOKENS = 4
_SUMMARY_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """The call that is sent instead, and what is missing from it: the places of the turns in the caller's list, and their estimated
    tokens. `text` is what they said, where it is to be summarised."""

    call: ModelCall
    strategy: str
    removed: tuple[int, ...]
    removed_tokens: int
    text: str = ""


def shorten(call: ModelCall, strategy: str, input_tokens: int) -> Shortened:
    """`call` with whole units taken out until about `input_tokens` of input are left.

    `drop_oldest` takes the oldest first, `middle_out` from the middle outwards, `summarise` as `drop_oldest` with room left for the
    summary. Never taken: system turns, the last unit; never parted: a tool call and its results.
    Raises: ContextTooLong where what must stay does not fit either.
    """
    found = conversation(call)
    if found is None:
        raise ContextTooLong("The request is longer than the model's context, and it is no conversation that could be shortened.")
    room = input_tokens - (_SUMMARY_TOKENS if strategy == SUMMARISE else 0)
    costs = [_tokens(found, unit) for unit in found.units]
    fixed = sum(estimate(bytes(value).decode(errors="replace")) for name, value in found.fields.items() if name != found.member)
    left = fixed + sum(costs)
    gone: set[int] = set()
    for at in _order(found.units, strategy):
        if left <= room:
            break
        gone.add(at)
        left -= costs[at]
    if left <= room:
        left -= _open_properly(found, gone, costs, call.wire)
    if left > room:
        raise ContextTooLong(
            f"The request is about {fixed + sum(costs)} tokens long, what must stay of it {left}, and there is room for {max(room, 0)}."
        )
    removed = tuple(turn for at in sorted(gone) for turn in range(found.units[at].start, found.units[at].end))
    kept = [turn for place, turn in enumerate(found.turns) if place not in set(removed)]
    body = found.with_turns(kept)
    return Shortened(
        call=replace(call, body=body, input_tokens_bound=max(call.input_tokens_bound - len(call.body) + len(body), len(body))),
        strategy=strategy,
        removed=removed,
        removed_tokens=sum(costs[at] for at in gone),
        text="\n".join(found.turns[turn].decode(errors="replace") for turn in removed) if strategy == SUMMARISE else "",
    )


def with_summary(shortened: Shortened, summary: str) -> ModelCall:
    """The shortened call with `summary` where the removed turns were."""
    found = conversation(shortened.call)
    if found is None or not shortened.removed:
        return shortened.call
    said = f"Summary of the earlier conversation, which was left out because of its length:\n{summary}"
    turn = _note(shortened.call.wire, said)
    turns = list(found.turns)
    turns.insert(min(shortened.removed[0], len(turns) - 1), turn)
    body = found.with_turns(turns)
    return replace(shortened.call, body=body, input_tokens_bound=shortened.call.input_tokens_bound + len(turn) + 1)


def _note(wire: Wire, text: str) -> bytes:
    if wire is Wire.GEMINI:
        return msgspec.json.encode({"role": "user", "parts": [{"text": text}]})
    return msgspec.json.encode({"role": "user", "content": text})


def _tokens(found: Conversation, unit: Unit) -> int:
    return sum(_UNIT_TOKENS + estimate(turn.decode(errors="replace")) for turn in found.turns[unit.start : unit.end])


def _order(units: Sequence[Unit], strategy: str) -> list[int]:
    """The places of the units that may go, in the order in which they go."""
    free = [at for at, unit in enumerate(units) if not unit.pinned]
    if strategy != MIDDLE_OUT:
        return free
    middle = (len(free) - 1) / 2
    return [at for _, at in sorted(enumerate(free), key=lambda each: (abs(each[0] - middle), each[0]))]


def _open_properly(found: Conversation, gone: set[int], costs: Sequence[int], wire: Wire) -> int:
    """Tokens of the further units taken out so that the conversation still begins with a user's turn, where its protocol wants that."""
    if not gone or wire is Wire.OPENAI_RESPONSES:
        return 0
    taken = 0
    for at, unit in enumerate(found.units):
        if at in gone or (unit.pinned and at != len(found.units) - 1):
            continue
        if unit.opens or unit.pinned:
            break
        gone.add(at)
        taken += costs[at]
    return taken
