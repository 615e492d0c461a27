"""What is wrong with a configuration, all of it at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ninefold.domain.errors import InvalidRequest

Steps = tuple[str | int, ...]


def dotted(steps: Steps) -> str:
    """`steps` as people write a path: `tenants[0].limits.requests_per_minute`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The word among `known` that `word` was most likely meant to be."""
    found = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A half-sentence that names the nearest known word, or all of them where none is near."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return f"; did you mean '{near}'?"
    return f"; known here: {', '.join(words)}" if words else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value was written. `source` is a file's name, `env NAME` or `command line`; `line` and `column` count from 1, 0 is none."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


DEFAULT = Place(source="default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to be put right. `message` never holds a secret."""

    line: int
    column: int
    path: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return ": ".join(part for part in (where, self.path, self.message) if part)


def problem(place: Place, steps: Steps, message: str) -> Problem:
    """What is wrong with the value at `steps`, which was written at `place`."""
    return Problem(line=place.line, column=place.column, path=dotted(steps), message=message, source=place.source)


class ConfigInvalid(InvalidRequest):
    """The configuration is refused as a whole, for every one of `problems`, in the order of their lines."""

    code: ClassVar[str] = "config_invalid"
    title: ClassVar[str] = "The configuration is not valid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda each: (each.source, each.line, each.column)))
        super().__init__("\n".join(str(each) for each in self.problems))
