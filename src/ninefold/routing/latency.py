"""How fast a deployment is, from what its attempts took."""

from __future__ import annotations

import math

DECAY_S = 10.0
# Buckets of the sketch are a fifth wide: 76 of them reach from a millisecond to a quarter of an hour.
_FIRST_S = 0.001
_WIDTH = math.log(1.2)
_BUCKETS = 76
_FORGET_S = 60.0
_RESCALE_AT = 30.0
_SHARE = 0.95
MIN_OBSERVED = 10


class PeakAverage:
    """Seconds, as an average that jumps to a slow observation at once and decays towards faster ones over ten seconds.

    Source: Finagle's PeakEwma: a deployment that gets slow is left alone after one request, not after an average's worth of them.
    """

    __slots__ = ("_seen_at", "value_s")

    def __init__(self) -> None:
        self.value_s = 0.0
        self._seen_at = 0.0

    def observe(self, seconds: float, now: float) -> float:
        """The average, `seconds` included."""
        if seconds >= self.value_s:
            self.value_s = seconds
        else:
            kept = math.exp(min(self._seen_at - now, 0.0) / DECAY_S)
            self.value_s = seconds + (self.value_s - seconds) * kept
        self._seen_at = now
        return self.value_s


class SlowestTwentieth:
    """The 95th percentile of seconds within a fifth of its value; an observation's weight falls to a third every minute.

    Weights grow with time instead of being decayed one by one (forward decay), and the place of the percentile moves by as many buckets as
    an observation shifts it: constant time, without a pass over the buckets.
    """

    __slots__ = ("_at", "_began", "_below", "_observed", "_total", "_weights")

    def __init__(self) -> None:
        self._weights = [0.0] * _BUCKETS
        self._total = 0.0
        self._below = 0.0
        self._at = 0
        self._began = 0.0
        self._observed = 0

    def observe(self, seconds: float, now: float) -> float | None:
        """The percentile, `seconds` included; None while fewer than ten observations say too little."""
        age = (now - self._began) / _FORGET_S
        if age > _RESCALE_AT:
            self._rescale(age, now)
            age = 0.0
        weight = math.exp(age)
        bucket = 0 if seconds <= _FIRST_S else min(int(math.log(seconds / _FIRST_S) / _WIDTH), _BUCKETS - 1)
        self._weights[bucket] += weight
        self._total += weight
        if bucket < self._at:
            self._below += weight
        self._observed += 1
        return self._percentile() if self._observed >= MIN_OBSERVED else None

    def _percentile(self) -> float:
        want = _SHARE * self._total
        while self._at > 0 and self._below >= want:
            self._at -= 1
            self._below -= self._weights[self._at]
        while self._at < _BUCKETS - 1 and self._below + self._weights[self._at] < want:
            self._below += self._weights[self._at]
            self._at += 1
        return _FIRST_S * math.exp(_WIDTH * (self._at + 1))

    def _rescale(self, age: float, now: float) -> None:
        kept = math.exp(-min(age, 700.0))
        self._weights = [weight * kept for weight in self._weights]
        self._total = sum(self._weights)
        self._below = sum(self._weights[: self._at])
        self._began = now


class Speed:
    """What is known of one deployment's streams, or of its whole answers."""

    __slots__ = ("average", "seen_at", "slowest")

    def __init__(self) -> None:
        self.average = PeakAverage()
        self.slowest = SlowestTwentieth()
        self.seen_at = 0.0
