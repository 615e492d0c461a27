"""What the vendors' servers answer: decided by the last user text, so that a test can ask for what it needs.

- `call NAME {json}` (once or several times, one a line): tool calls, if tools were offered.
- `json {…}`: that JSON as the answer. - `think TEXT`: reasoning before the answer. - `refuse`: a refusal.
- `long N`: N words. - anything else: `You said: …`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CALL = re.compile(r"^call (\w+) (\{.*\})$", re.MULTILINE)


@dataclass
class Reply:
    words: list[str] = field(default_factory=list)
    thoughts: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""

    @property
    def text(self) -> str:
        return "".join(self.words)


@dataclass
class Fault:
    """What goes wrong next: `status` answers with it; `silent` accepts and says nothing; `cut_after` events breaks the connection;
    `stall_after` events says nothing more; `garbage` sends what is no protocol; `end_after` events ends the body properly, too early;
    `error_after` events sends the vendor's error event. `times` is for how many requests it holds (-1: always)."""

    kind: str
    at: int = 0
    status: int = 500
    retry_after: str | None = None
    times: int = -1


def reply_to(text: str, *, tools: bool) -> Reply:
    calls = CALL.findall(text) if tools else []
    if calls:
        return Reply(calls=calls)
    if text.startswith("json "):
        return Reply(words=pieces(text[5:]))
    if text.startswith("think "):
        return Reply(words=["Done", "."], thoughts=text[6:])
    if text.strip() == "refuse":
        return Reply(refusal="I will not.")
    if text.startswith("long "):
        return Reply(words=["word "] * int(text[5:]))
    return Reply(words=pieces("You said: " + text))


def pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text) or [""]


def fragments(arguments: str) -> list[str]:
    third = max(1, len(arguments) // 3)
    return [arguments[i : i + third] for i in range(0, len(arguments), third)]
