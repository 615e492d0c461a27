"""One attempt's place in the books."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ninefold.domain.usage import Usage


class Outcome(StrEnum):
    """How an attempt ended, for the books."""

    COMPLETED = "completed"
    FAILED = "failed"  # the upstream failed or was abandoned before its first delta
    CUT_SHORT = "cut_short"  # the upstream broke off after its first delta
    CANCELLED = "cancelled"  # the caller hung up, or was killed, while it ran
    REUSED = "reused"  # no upstream was asked: an answer that another request pays, or has paid, was given
    INTERRUPTED = "interrupted"  # our worker died; the line stands at the attempt's hold


# Not frozen: building it frozen costs 2 µs more, once on the path of every request. Nobody writes to it after the meter made it.
@dataclass(slots=True, kw_only=True)
class CostLine:
    """What one attempt cost. `unpriced` lines carry zero nanos and an alert; `overrun_nanos` is what went above the hold."""

    attempt_id: str
    deployment: str
    usage: Usage
    cost_nanos: int
    outcome: Outcome
    price_version: str
    unpriced: bool = False
    overrun_nanos: int = 0
