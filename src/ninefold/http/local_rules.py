"""A rule book as a chat model of the worker: zero model calls, and a plain refusal where no rule matches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ninefold.domain.chat import ChatRequest, Finished, FinishReason, Role, Text
from ninefold.domain.errors import NoRuleMatched
from ninefold.domain.usage import Usage
from ninefold.http.local_model import Say, check_plain
from ninefold.knowledge.rules import Rule, answer
from ninefold.ports.rule_facts import RuleFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBook:
    """Rules with their facts at hand."""

    rules: Sequence[Rule]
    facts: RuleFacts


class RulesModel:
    """`knowledge.rules` as a chat model. `book` gives the newest state of the file each time; `count` counts the tokens of a text."""

    quotes = False

    def __init__(self, book: Callable[[], OpenBook], count: Callable[[str], int]) -> None:
        self._book = book
        self._count = count
        self._lock = threading.Lock()

    def answer(self, request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
        """The rule's answer was said. Raises: NoRuleMatched; Unavailable where the book or its facts cannot be read."""
        check_plain(request, "A rule book")
        asked = last_user_text(request)
        with self._lock:
            book = self._book()
            found = answer(book.rules, book.facts, asked)
        if found is None:
            raise NoRuleMatched("No rule of the book matches this request, or finds its facts.")
        say(found.text, found.citations)
        return Finished(reason=FinishReason.STOP), Usage(input_tokens=self._count(asked), output_tokens=self._count(found.text))


def last_user_text(request: ChatRequest) -> str:
    """The text of the last user turn, its parts on lines of their own."""
    for turn in reversed(request.turns):
        if turn.role is Role.USER:
            return "\n".join(part.text for part in turn.parts if isinstance(part, Text))
    return ""
