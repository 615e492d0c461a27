"""Conditions as people write them: `fact: value`, `fact: [one, of]`, a bare name, or a comparison such as `score >= 0.99`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from ninefold.domain.policy import Condition, Scalar
from ninefold.wire.policy.written import Entry, Leaf, Node, Row, Table

FACT = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_COMPARISON = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(>=|<=|==|!=|>|<)\s*(\S.*?)\s*")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OPERATOR = re.compile(r"\s*(>=|<=|==|!=|=|>|<)")
_PATTERN = re.compile(r"[*?\[]")
_ORDER = frozenset({">=", "<=", ">", "<"})
_MOST = 1 << 53

# Hears what is wrong: line and sentence.
Complain = Callable[[int, str], None]


def conditions(node: Node, complain: Complain) -> Iterator[tuple[int, Condition]]:
    """Every condition in a mapping, a list, or a single name or comparison, with its line."""
    if isinstance(node, Table):
        for entry in node.entries:
            found = _named(entry, complain)
            if found is not None:
                yield entry.line, found
    elif isinstance(node, Row):
        for item in node.items:
            if isinstance(item, Row):
                complain(item.line, "a list in a list says nothing; write one condition an entry")
            else:
                yield from conditions(item, complain)
    else:
        found = _bare(node, complain)
        if found is not None:
            yield node.line, found


def is_scalar(value: object) -> bool:
    """Whether a rule can hold this value: numbers that JSON and floats can carry exactly enough, text, true and false."""
    if isinstance(value, bool | str):
        return True
    return (isinstance(value, int) and abs(value) <= _MOST) or (isinstance(value, float) and math.isfinite(value))


def kind_of(value: Scalar) -> str:
    """boolean, number or text."""
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _named(entry: Entry, complain: Complain) -> Condition | None:
    if FACT.fullmatch(entry.key) is None:
        complain(entry.line, f"{entry.key!r} is no name of a fact: letters, digits, points and underscores")
        return None
    if isinstance(entry.value, Table):
        complain(entry.value.line, f"{entry.key} needs a value, a list of values, or a comparison such as `{entry.key} >= 1` of its own")
        return None
    leaves = entry.value.items if isinstance(entry.value, Row) else (entry.value,)
    values = [value for each in leaves if (value := _value(entry.key, each, complain)) is not None]
    if len(values) != len(leaves):
        return None
    if not values or len({kind_of(each) for each in values}) > 1:
        complain(entry.line, f"{entry.key} needs values of one kind: all text, all numbers, or true and false")
        return None
    return Condition(fact=entry.key, op="in" if isinstance(entry.value, Row) else "==", values=tuple(values))


def _value(fact: str, node: Node, complain: Complain) -> Scalar | None:
    if not isinstance(node, Leaf) or node.value is None or not is_scalar(node.value):
        complain(node.line, f"{fact} needs a value: text, a number of at most 53 bits, true or false")
        return None
    if isinstance(node.value, str) and _OPERATOR.match(node.value):
        complain(node.line, f"a comparison stands by itself in a list: `- {fact} {node.value}`")
        return None
    if isinstance(node.value, str) and not node.quoted and _PATTERN.search(node.value):
        complain(node.line, f"patterns are not taken: list the values of {fact}, or put this one in quotes if it is meant as it stands")
        return None
    return node.value


def _bare(leaf: Leaf, complain: Complain) -> Condition | None:
    text = leaf.value
    if not isinstance(text, str):
        complain(leaf.line, "write `fact: value`, the name of a fact, or a comparison such as `score >= 0.99`")
        return None
    if FACT.fullmatch(text):
        return Condition(fact=text, op="==", values=(True,))
    found = _COMPARISON.fullmatch(text)
    if found is None:
        complain(leaf.line, f"{text!r} is no condition; write `fact: value`, the name of a fact, or a comparison such as `score >= 0.99`")
        return None
    fact, op, right = found.groups()
    if right[:1] in {"'", '"'}:
        if len(right) < 2 or right[-1] != right[0]:
            complain(leaf.line, f"the text in {text!r} has no end")
            return None
        value: Scalar = right[1:-1]
    elif _NUMBER.fullmatch(right):
        value = int(right) if right.lstrip("+-").isdigit() else float(right)
    elif right in {"true", "false"}:
        value = right == "true"
    elif FACT.fullmatch(right):
        return Condition(fact=fact, op=op, than=right)
    else:
        complain(leaf.line, f"{right!r} is neither a number, nor quoted text, nor the name of a fact")
        return None
    if not is_scalar(value) or (op in _ORDER and kind_of(value) != "number"):
        complain(leaf.line, f"{op} compares numbers of at most 53 bits")
        return None
    return Condition(fact=fact, op=op, values=(value,))
