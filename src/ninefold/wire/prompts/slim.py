"""Prompts without what carries no meaning: runs of blank lines, blanks at line ends, blanks within prose, repeated lines.

Code stays as it is: what stands between fences, indentation, and everything that is not plain text (tool arguments, results, schemas).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.wire.json_members import encode
from ninefold.wire.prompts.conversation import TURNS, conversation

_FENCE = re.compile(r"^\s*(```|~~~)")
_WITHIN = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
_ROW = re.compile(r"^\s*[|+]|\t|\S {2,}\S.*\S {2,}\S")
_SLIMMED_ROLES = frozenset({"system", "developer", "user"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slimmed:
    """The call that is sent instead, and the sizes of its body before and after, in bytes."""

    call: ModelCall
    before_bytes: int
    after_bytes: int


def slim(call: ModelCall) -> Slimmed:
    """`call` with slimmer system and user texts; the same call where there is nothing to take out. Raises: InvalidRequest."""
    found = conversation(call)
    if found is None:
        return Slimmed(call=call, before_bytes=len(call.body), after_bytes=len(call.body))
    turns = [_slim_turn(turn) for turn in found.turns]
    fields = dict(found.fields)
    for name in ("system", "instructions", "systemInstruction"):
        if name in fields:
            fields[name] = msgspec.Raw(encode(_slim_value(msgspec.json.decode(fields[name]))))
    fields[TURNS[call.wire]] = msgspec.Raw(b"[" + b",".join(turns) + b"]")
    body = encode(fields)
    if len(body) >= len(call.body):
        return Slimmed(call=call, before_bytes=len(call.body), after_bytes=len(call.body))
    return Slimmed(call=replace(call, body=body), before_bytes=len(call.body), after_bytes=len(body))


def _slim_turn(turn: bytes) -> bytes:
    value = msgspec.json.decode(turn)
    if not isinstance(value, dict) or value.get("role") not in _SLIMMED_ROLES:
        return turn
    for name in ("content", "parts"):
        if name in value:
            value[name] = _slim_value(value[name])
    return encode(value)


def _slim_value(value: object) -> object:
    """Texts of a content: the string itself, or the `text` members of its parts; nothing inside tool results."""
    if isinstance(value, str):
        return slim_text(value)
    if isinstance(value, list):
        return [_slim_value(each) if isinstance(each, dict) else each for each in value]
    if isinstance(value, dict):
        if value.get("type") in {"tool_result", "tool_use"}:
            return value
        return {name: slim_text(each) if name == "text" and isinstance(each, str) else _inner(name, each) for name, each in value.items()}
    return value


def _inner(name: str, value: object) -> object:
    return _slim_value(value) if name == "parts" else value


def slim_text(text: str) -> str:
    """`text` with at most one blank line in a row, no blanks at line ends, single blanks within prose, and no line more than twice in a
    row; fenced code and what looks like a table untouched."""
    out: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
            out.append(line)
            continue
        if fenced:
            out.append(line)
            continue
        kept = line.rstrip(" \t")
        if _ROW.search(kept) is None:
            kept = _WITHIN.sub(" ", kept)
        if not kept and out and not out[-1]:
            continue
        if kept and len(out) >= 2 and out[-1] == out[-2] == kept:
            continue
        out.append(kept)
    return "\n".join(out)
