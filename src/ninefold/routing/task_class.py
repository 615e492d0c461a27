"""Which task class a call belongs to, and where a doubtful one begins."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.chat import Role, Text
from ninefold.domain.errors import ApprovalRequired, InvalidRequest, NinefoldError
from ninefold.domain.snapshot import Promotion, Snapshot, TaskClass
from ninefold.wire.dialects.surfaces import decode_request

FAILURES, NO_RULE_MATCHED, AMBIGUOUS, HIGH_RISK = "failures", "no_rule_matched", "ambiguous", "high_risk"
# Patterns are the operator's own, the text is anybody's: the end of it is where the question stands.
MAX_TEXT_CHARS = 16_384


class TaskClasses:
    """The task classes of a snapshot, with their patterns compiled."""

    __slots__ = ("_classes", "_doubts", "_patterns", "reads_text")

    def __init__(self, snapshot: Snapshot) -> None:
        self._classes = {each.name: each for each in snapshot.task_classes}
        self._patterns = [(each, [re.compile(one) for one in each.patterns]) for each in snapshot.task_classes if each.patterns]
        self._doubts = {each.name: found for each in snapshot.task_classes if (found := _doubts(each.promotion))}
        self.reads_text = bool(self._patterns or self._doubts)

    def get(self, name: str) -> TaskClass | None:
        """The class of this name."""
        return self._classes.get(name)

    def begin(self, call: ModelCall) -> tuple[TaskClass | None, str]:
        """The class in which `call` begins, and why where it is not the one it asked for; None where no class is meant.

        Raises: InvalidRequest naming the classes there are; ApprovalRequired.
        """
        asked = call.task_class
        if asked and asked not in self._classes:
            there_are = ", ".join(sorted(self._classes)) or "none"
            raise InvalidRequest(f"There is no task class {asked[:100]!r}; there are: {there_are}.", param="task_class")
        # The conversation is decoded only where what it says can make a difference.
        reads = asked in self._doubts if asked else bool(self._patterns)
        text = last_user_text(call) if reads and call.operation is Operation.CHAT else None
        found = self._classes[asked] if asked else self._matching(text)
        if found is None:
            return None, ""
        begun, why = found, ""
        seen = {found.name}
        while text is not None and (doubt := self._doubt(begun, text)) is not None:
            promotion = begun.promotion
            target = None if promotion is None else self._classes.get(promotion.to)
            if target is None or target.name in seen:
                break
            seen.add(target.name)
            why += f"promoted from {begun.name} to {target.name} at once, for the text is {doubt}; "
            begun = target
        if begun.approval:
            raise ApprovalRequired(f"Work of the class {begun.name} is done only after somebody has agreed to it.", param="task_class")
        return begun, why

    def chain(self, first: TaskClass) -> list[TaskClass]:
        """`first` and the classes it is promoted to, one after the other; it ends before a class that needs approval, and before one that
        is in it already."""
        found = [first]
        names = {first.name}
        while (promotion := found[-1].promotion) is not None:
            following = self._classes.get(promotion.to)
            if following is None or following.approval or following.name in names:
                break
            found.append(following)
            names.add(following.name)
        return found

    def _matching(self, text: str | None) -> TaskClass | None:
        if not text:
            return None
        return next((each for each, patterns in self._patterns if any(one.search(text) for one in patterns)), None)

    def _doubt(self, task_class: TaskClass, text: str) -> str | None:
        for word, patterns in self._doubts.get(task_class.name, ()):
            if any(one.search(text) for one in patterns):
                return word
        return None


def last_user_text(call: ModelCall) -> str:
    """What the user said last, at most its last 16,384 characters; empty where only the vendor can read the request."""
    try:
        turns = decode_request(call).turns
    except NinefoldError:
        return ""
    for turn in reversed(turns):
        if turn.role is Role.USER:
            said = "\n".join(part.text for part in turn.parts if isinstance(part, Text))
            if said:
                return said[-MAX_TEXT_CHARS:]
    return ""


def _doubts(promotion: Promotion | None) -> list[tuple[str, list[re.Pattern[str]]]]:
    if promotion is None:
        return []
    asked: Iterable[tuple[str, str, tuple[str, ...]]] = (
        (HIGH_RISK, "of high risk", promotion.high_risk),
        (AMBIGUOUS, "ambiguous", promotion.ambiguous),
    )
    return [(word, [re.compile(one) for one in patterns]) for trigger, word, patterns in asked if trigger in promotion.on and patterns]
