"""Where rules find their facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

MAX_ROWS = 50


class RuleFacts(Protocol):
    """Tables, databases and texts of one rule book; nothing can be written through it.

    On failure: Unavailable, saying which query or text.
    """

    def rows(self, query: str, values: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        """The rows of SQL `query` with `:name` places for `values`, at most `MAX_ROWS`, every value as text."""
        ...

    def texts(self, collection: str) -> Sequence[tuple[str, str]]:
        """Name and content of each text of `collection`."""
        ...
