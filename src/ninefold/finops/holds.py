"""What one request holds, and how attempts draw on it; no clock, no I/O."""

from __future__ import annotations

from ninefold.domain.cost import CostLine
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage
from ninefold.finops.slices import CONCURRENT, INPUT, NANOS, OUTPUT, REQUESTS, TOKENS, Amounts, Line, Slice

# The measures of which an attempt uses a part; a request and a slot are used whole.
_SPENT = (NANOS, TOKENS, INPUT, OUTPUT)


class OpenAttempt:
    """An attempt that was begun and not settled: what it may use at worst."""

    __slots__ = ("deployment", "worst")

    def __init__(self, deployment: Deployment, worst: Amounts) -> None:
        self.deployment = deployment
        self.worst = worst


class HoldState:
    """The meter's side of a `Hold`: `held` is what is set aside now, by measure."""

    __slots__ = ("attempts", "closed", "counted", "held", "line", "lines", "slices")

    def __init__(self, slices: tuple[Slice, ...], held: list[int], line: Line) -> None:
        self.slices = slices
        self.held = held
        self.line = line
        self.attempts: dict[str, OpenAttempt] = {}
        self.lines: dict[str, CostLine] = {}
        self.counted = False
        self.closed = False

    def begin(self, attempt_id: str, attempt: OpenAttempt) -> None:
        """The attempt is open; the first one makes the request count against limits on requests."""
        self.attempts[attempt_id] = attempt
        if not self.counted:
            self.counted = True
            self.held[REQUESTS] = 0
            for one in self.slices:
                if one.code == REQUESTS:
                    one.charge(1, 0)

    def missing(self, worst: Amounts) -> Amounts:
        """What has to be added so that one more attempt is covered beside those that are open."""
        gaps = [0] * 6
        for code in range(6):
            if code not in (REQUESTS, CONCURRENT):
                open_now = sum(attempt.worst[code] for attempt in self.attempts.values())
                gaps[code] = max(open_now + worst[code] - self.held[code], 0)
        return gaps[0], gaps[1], gaps[2], gaps[3], gaps[4], gaps[5]

    def grow(self, amounts: Amounts) -> None:
        """`amounts` were taken from the slices for this hold."""
        self.held = [held + more for held, more in zip(self.held, amounts, strict=True)]

    def spend(self, actual: Amounts) -> int:
        """`actual` replaces what a (now removed) attempt held; what nothing covers is booked as overrun. Returns that, in nanos."""
        held, others = self.held, self.attempts
        if not others:
            # The usual case, spelt out: one attempt, which its hold covers.
            nanos, requests, tokens, inputs, outputs, slots = held
            used_nanos, _, used_tokens, used_inputs, used_outputs, _ = actual
            if used_nanos <= nanos and used_tokens <= tokens and used_inputs <= inputs and used_outputs <= outputs:
                self.held = [nanos - used_nanos, requests, tokens - used_tokens, inputs - used_inputs, outputs - used_outputs, slots]
                for one in self.slices:
                    one.spent += actual[one.code]
                return 0
        beyond: dict[int, int] = {}
        for code in _SPENT:
            left = held[code] - actual[code]
            needed = sum(attempt.worst[code] for attempt in others.values()) if others else 0
            if left < needed:
                # What the other open attempts may need stays held; the rest comes out of the slice.
                beyond[code] = min(needed - left, actual[code])
                left += beyond[code]
            held[code] = left
        if not beyond:
            for one in self.slices:
                one.spent += actual[one.code]
            return 0
        missing = [(one.code, one.charge(actual[one.code], beyond.get(one.code, 0))) for one in self.slices]
        return max((nanos for code, nanos in missing if code == NANOS), default=0)


def worst_case(deployment: Deployment, input_tokens: int, output_tokens: int) -> Amounts:
    """At most this is used by one attempt at `deployment`; an unpriced one holds no money."""
    price = deployment.price
    nanos = 0 if price is None else price.worst_case_nanos(input_tokens, output_tokens)
    return nanos, 0, input_tokens + output_tokens, input_tokens, output_tokens, 0


def actual_use(nanos: int, usage: Usage) -> Amounts:
    """What an attempt used, by measure."""
    return nanos, 0, usage.input_tokens + usage.output_tokens, usage.input_tokens, usage.output_tokens, 0
