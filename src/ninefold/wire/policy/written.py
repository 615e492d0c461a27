"""A policy file as it was written: every key in its order, repeated ones too, each with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A scalar; `quoted` tells `"x"` from `x`. Numbers with a point are floats."""

    value: bool | int | float | str | None
    line: int
    quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key and what stands under it; `line` is the key's."""

    key: str
    value: Node
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping in which order counts and a key may stand more than once."""

    entries: tuple[Entry, ...]
    line: int

    def named(self, key: str) -> Iterator[Entry]:
        """The entries of this key, in order."""
        return (each for each in self.entries if each.key == key)


Node = Leaf | Row | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to be said about a policy. `kind` is stable and machine-readable; `error` where the policy cannot be used like this."""

    line: int
    path: str
    kind: str
    message: str
    error: bool = True
