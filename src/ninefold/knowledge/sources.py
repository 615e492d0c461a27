"""What a request gives to read, and what it asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One text under the name that its citations carry; spans of `leave_out` (the question itself) are never quoted."""

    name: str
    text: str
    leave_out: tuple[tuple[int, int], ...] = ()
