"""Which deployments are left alone for a while."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.errors import DeadlineExceeded, NinefoldError, RateLimited, Unavailable, UpstreamRejected
from ninefold.domain.snapshot import BreakerRules

# Source: five in a row, the default of the rules, is Envoy's outlier detection; half of the last ten seconds is Hystrix.
WINDOW_S = 10
MAX_RETRY_AFTER_S = 600.0  # a vendor that asks for a day is asked again after ten minutes all the same
_NOBODY: frozenset[str] = frozenset()
_DEFAULT = BreakerRules()
_NOTHING: tuple[int, int, int] = (-1, 0, 0)


def blames_deployment(error: NinefoldError) -> bool:
    """Whether `error` says something about the deployment rather than about the request."""
    return isinstance(error, Unavailable | DeadlineExceeded | RateLimited | UpstreamRejected)


class Breaker:
    """One deployment's circuit breaker; `now` is always seconds of one monotonic clock.

    Closed until the deployment fails as often as `rules` say: by default five times in a row, or in half of at least ten attempts within
    ten seconds; then open for five seconds, twice as long after each probe that fails, up to a minute; then half-open, with one probe
    at a time. A vendor's `Retry-After` opens it for just so long. An attempt that ends neither well nor badly (its caller hung up) keeps
    the probe's place for one cool-down at most.
    """

    __slots__ = ("_begun", "_cool_down_s", "_in_a_row", "_probe_until", "_window", "open_until", "rules", "tripped")

    def __init__(self, rules: BreakerRules = _DEFAULT) -> None:
        self.rules = rules
        self._close()

    def _close(self) -> None:
        self.tripped = False
        self.open_until = 0.0
        self._begun = 0
        self._probe_until = 0.0
        self._cool_down_s = self.rules.cool_down_s
        self._in_a_row = 0
        # One (second, succeeded, failed) for each second of the window.
        self._window = [_NOTHING] * WINDOW_S

    def follow(self, rules: BreakerRules) -> None:
        """What comes is judged by `rules`; a rest that has begun ends as it would have."""
        if rules != self.rules:
            self.rules = rules
            self._cool_down_s = rules.cool_down_s

    def is_open(self, now: float) -> bool:
        """Whether the deployment is not to be tried: it cools down, or its one probe is under way."""
        return self.tripped and (now < self.open_until or now < self._probe_until)

    def started(self, now: float) -> None:
        """An attempt is under way; on a half-open breaker it is the probe."""
        if self.tripped:
            self._begun += 1
            if not self.is_open(now):
                self._probe_until = now + self._cool_down_s

    def succeeded(self, now: float) -> bool:
        """An attempt brought content; True where that closed the breaker.

        An attempt that was under way when the breaker opened proves nothing: during the cool-down only one begun since counts.
        """
        if self.tripped:
            if now < self.open_until and not self._begun:
                return False
            self._close()
            self._count(now, failed=False)
            return True
        self._count(now, failed=False)
        return False

    def failed(self, error: NinefoldError, now: float) -> bool:
        """An attempt came to nothing; True where the deployment now rests, or rests longer than before."""
        if not blames_deployment(error):
            return False
        before = self.open_until
        if not self.tripped:
            self._count(now, failed=True)
            if self._is_failing(now):
                self._rest_until(now + self._cool_down_s)
        elif now >= self.open_until:
            self._cool_down_s = min(self._cool_down_s * 2, self.rules.max_cool_down_s)
            self._rest_until(now + self._cool_down_s)
        if error.retry_after_s is not None:
            self.merge(now + error.retry_after_s, now)
        return self.open_until > before

    def merge(self, open_until: float, now: float) -> None:
        """No attempt before `open_until`, where that is later than what is known: another worker found so, or the vendor asks for it."""
        if open_until > now and open_until > self.open_until:
            self._rest_until(min(open_until, now + MAX_RETRY_AFTER_S))

    def merge_closed(self) -> None:
        """Another worker's probe succeeded: the deployment is tried here too."""
        if self.tripped:
            self._close()

    def _rest_until(self, until: float) -> None:
        self.tripped = True
        self.open_until = until
        self._probe_until = 0.0
        self._begun = 0

    def _count(self, now: float, *, failed: bool) -> None:
        second = int(now)
        slot = second % WINDOW_S
        when, good, bad = self._window[slot]
        if when != second:
            good = bad = 0
        self._window[slot] = (second, good, bad + 1) if failed else (second, good + 1, bad)
        self._in_a_row = self._in_a_row + 1 if failed else 0

    def _is_failing(self, now: float) -> bool:
        if self._in_a_row >= self.rules.failures_in_a_row:
            return True
        oldest = int(now) - WINDOW_S
        good = sum(each[1] for each in self._window if each[0] > oldest)
        bad = sum(each[2] for each in self._window if each[0] > oldest)
        return good + bad >= self.rules.min_attempts and bad * 2 >= good + bad


class Breakers:
    """One `Breaker` a deployment. Where states are shared between processes (`open_until`, `merge`), `now` is of a clock they share."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}
        self._tripped: dict[str, Breaker] = {}
        self._rules: Mapping[str, BreakerRules] = {}

    def use(self, rules: Mapping[str, BreakerRules]) -> None:
        """From the next failure on deployments are judged by `rules`; those that rest go on resting, those that are gone are forgotten."""
        self._rules = rules
        for kept in (self._breakers, self._tripped):
            for name in [each for each in kept if each not in rules]:
                del kept[name]
        for name, breaker in self._breakers.items():
            breaker.follow(rules[name])

    def resting(self, now: float) -> frozenset[str]:
        """Which deployments are not to be tried at `now`."""
        if not self._tripped:
            return _NOBODY
        return frozenset(name for name, breaker in self._tripped.items() if breaker.is_open(now))

    def started(self, deployment: str, now: float) -> None:
        """An attempt is under way."""
        if self._tripped:
            breaker = self._tripped.get(deployment)
            if breaker is not None:
                breaker.started(now)

    def succeeded(self, deployment: str, now: float) -> bool:
        """An attempt brought content; True where that closed the deployment's breaker."""
        closed = self._of(deployment).succeeded(now)
        if closed:
            self._tripped.pop(deployment, None)
        return closed

    def failed(self, deployment: str, error: NinefoldError, now: float) -> bool:
        """An attempt came to nothing; True where the deployment now rests, or rests longer than before."""
        breaker = self._of(deployment)
        changed = breaker.failed(error, now)
        if breaker.tripped:
            self._tripped[deployment] = breaker
        return changed

    def merge(self, deployment: str, open_until: float, now: float) -> None:
        """What another worker found counts here: no attempt before `open_until`, where that is later than what is known."""
        breaker = self._of(deployment)
        breaker.merge(open_until, now)
        if breaker.tripped:
            self._tripped[deployment] = breaker

    def closed_elsewhere(self, deployment: str) -> None:
        """Another worker's probe succeeded: the deployment is tried here too."""
        breaker = self._tripped.pop(deployment, None)
        if breaker is not None:
            breaker.merge_closed()

    def open_until(self, now: float) -> dict[str, float]:
        """Those that cool down at `now`, and until when."""
        return {name: breaker.open_until for name, breaker in self._tripped.items() if now < breaker.open_until}

    def _of(self, deployment: str) -> Breaker:
        found = self._breakers.get(deployment)
        if found is None:
            found = self._breakers[deployment] = Breaker(self._rules.get(deployment, _DEFAULT))
        return found
