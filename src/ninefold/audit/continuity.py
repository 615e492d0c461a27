"""Whether every request that was served had been decided."""

from __future__ import annotations

from ninefold.audit.entry import Entry, Kind
from ninefold.audit.state import Epoch

# Decisions that a hold may still name after their request has ended: a caller may go while its hold waits in line.
_REMEMBERED = 65_536


class Continuity:
    """Follows the records of one epoch in their order."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._known: dict[str, None] = {decision: None for decisions in epoch.undone.values() for decision in decisions}

    def follow(self, entry: Entry) -> str:
        """What is wrong with the record where it stands, "" where nothing is."""
        undone = self._epoch.undone
        if entry.kind is Kind.DECISION:
            undone.setdefault(entry.request_id, []).append(entry.decision_id)
            self._known[entry.decision_id] = None
            if len(self._known) > _REMEMBERED:
                self._known.pop(next(iter(self._known)))
        elif entry.rests_on:
            if entry.rests_on not in self._known and self._epoch.whole:
                return f"request {entry.request_id} was held without decision {entry.rests_on}"
        elif entry.kind is Kind.ANSWER:
            if undone.pop(entry.request_id, None) is None and self._epoch.whole:
                return f"request {entry.request_id} was answered without a decision"
        elif entry.kind is Kind.REFUSAL:
            undone.pop(entry.request_id, None)
        return ""
