"""A conversation as its caller wrote it, cut into units that can be taken out without harm; nothing of it is translated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ninefold.domain.call import ModelCall, Wire
from ninefold.wire.json_members import ABSENT, Members, encode, is_given, members

# The member that holds the turns, in each caller's protocol; a call in any other has no conversation.
TURNS = {Wire.OPENAI: "messages", Wire.ANTHROPIC: "messages", Wire.GEMINI: "contents", Wire.OPENAI_RESPONSES: "input"}
_RESULTS = frozenset({"tool_result", "function_call_output", "custom_tool_call_output", "computer_call_output"})


class _Block(msgspec.Struct):
    type: str | None = None
    function_response: msgspec.Raw = msgspec.field(name="functionResponse", default=ABSENT)


class _Turn(msgspec.Struct):
    role: str | None = None
    type: str | None = None
    content: str | list[_Block] | msgspec.UnsetType | None = msgspec.UNSET
    parts: list[_Block] | msgspec.UnsetType | None = msgspec.UNSET


_turns = msgspec.json.Decoder(list[msgspec.Raw])
_turn = msgspec.json.Decoder(_Turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Turns that belong together: `turns[start:end]` of the conversation. Where `pinned` they may not be taken out; `opens` tells whether
    a conversation may begin with them."""

    start: int
    end: int
    pinned: bool = False
    opens: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """`fields` are the members of the caller's body, `turns` the JSON of each turn."""

    fields: Members
    member: str
    turns: tuple[bytes, ...]
    units: tuple[Unit, ...]

    def with_turns(self, turns: Sequence[bytes]) -> bytes:
        """The caller's body with other turns."""
        fields = dict(self.fields)
        fields[self.member] = msgspec.Raw(b"[" + b",".join(turns) + b"]")
        return encode(fields)


def conversation(call: ModelCall) -> Conversation | None:
    """The conversation in `call`; None where it has none that we could cut (one text, another protocol). Raises: InvalidRequest."""
    member = TURNS.get(call.wire)
    fields = {} if member is None else members(call.body)
    written = None if member is None else fields.get(member)
    if member is None or written is None:
        return None
    try:
        turns = tuple(bytes(each) for each in _turns.decode(written))
        read = [_turn.decode(each) for each in turns]
    except msgspec.MsgspecError:
        return None
    return Conversation(fields=fields, member=member, turns=turns, units=tuple(_units(read)))


def _units(turns: Sequence[_Turn]) -> list[Unit]:
    """System turns and the last unit are pinned; what answers a tool call stays with the turn that made it."""
    borders: list[tuple[int, int]] = []
    for at, turn in enumerate(turns):
        if borders and (_answers_a_call(turn) or _continues(turns[at - 1], turn)):
            borders[-1] = (borders[-1][0], at + 1)
        else:
            borders.append((at, at + 1))
    units: list[Unit] = []
    for number, (start, end) in enumerate(borders):
        first = turns[start]
        pinned = number == len(borders) - 1 or first.role in {"system", "developer"}
        units.append(Unit(start=start, end=end, pinned=pinned, opens=first.role == "user" and not _answers_a_call(first)))
    return units


def _answers_a_call(turn: _Turn) -> bool:
    if turn.role in {"tool", "function"} or turn.type in _RESULTS:
        return True
    blocks = [*_blocks(turn.content), *_blocks(turn.parts)]
    return any(block.type in _RESULTS or is_given(block.function_response) for block in blocks)


def _continues(before: _Turn, turn: _Turn) -> bool:
    """Responses items: a call follows its reasoning and the calls beside it, a message the reasoning before it."""
    if turn.type in {"function_call", "custom_tool_call", "computer_call"}:
        return before.type in {"reasoning", "function_call", "custom_tool_call", "computer_call"} or before.role == "assistant"
    return before.type == "reasoning"


def _blocks(content: object) -> list[_Block]:
    return [block for block in content if isinstance(block, _Block)] if isinstance(content, list) else []
