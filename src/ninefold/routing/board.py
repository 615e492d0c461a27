"""The circuit breakers of one worker, and what it tells the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Snapshot
from ninefold.ports.router import Health
from ninefold.routing.breaker import Breakers
from ninefold.routing.latency import Speed

OPENED, CLOSED = "breaker.opened", "breaker.closed"
FORGET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A breaker of this worker opened for `for_s` more seconds, or closed (0)."""

    kind: str
    deployment: str
    by: str
    for_s: float

    def payload(self) -> str:
        """As it stands in the delta log."""
        return json.dumps({"by": self.by, "for_s": round(self.for_s, 3)})


def watched(snapshot: Snapshot) -> frozenset[str]:
    """The deployments whose speed somebody asks for: a route that goes by it, an objective of a task class, or a hedge."""
    timed = {each.name for each in snapshot.task_classes if each.first_token_s is not None}
    names: set[str] = set()
    for model in snapshot.models:
        if model.strategy == "fastest" or model.hedge is not None or timed:
            names.update(model.deployments)
        for route in model.classes:
            if route.strategy == "fastest" or model.hedge is not None or timed:
                names.update(route.deployments)
    return frozenset(names)


class _Speeds:
    """The speeds of all deployments for one kind of answer, laid out as `Health` shows them."""

    __slots__ = ("_of", "average_s", "p95_s")

    def __init__(self) -> None:
        self._of: dict[str, Speed] = {}
        self.average_s: dict[str, float] = {}
        self.p95_s: dict[str, float] = {}

    def observe(self, deployment: str, seconds: float, now: float) -> None:
        speed = self._of.get(deployment)
        if speed is None:
            speed = self._of[deployment] = Speed()
        speed.seen_at = now
        self.average_s[deployment] = speed.average.observe(seconds, now)
        slowest = speed.slowest.observe(seconds, now)
        if slowest is not None:
            self.p95_s[deployment] = slowest

    def forget(self, before: float) -> None:
        for name in [name for name, speed in self._of.items() if speed.seen_at < before]:
            del self._of[name]
            self.average_s.pop(name, None)
            self.p95_s.pop(name, None)


class BreakerBoard:
    """`HealthBoard` of one worker: its own breakers, with what others reported merged in.

    Only what this worker found out itself is reported, so that two workers never keep each other's breakers open.
    """

    def __init__(self, worker: str, monotonic: Callable[[], float]) -> None:
        self._worker = worker
        self._monotonic = monotonic
        self._breakers = Breakers()
        self._in_flight: dict[str, int] = {}
        self._streamed, self._whole = _Speeds(), _Speeds()
        self._watched: frozenset[str] = frozenset()
        self._forget_at = 0.0
        # Its mappings are these very dictionaries, so that reading the board costs nothing where nobody rests.
        self._well = Health(
            first_token_s=self._streamed.average_s,
            p95_s=self._streamed.p95_s,
            whole_s=self._whole.average_s,
            whole_p95_s=self._whole.p95_s,
            in_flight=self._in_flight,
        )
        self._reported: dict[str, float] = {}
        self._merged: dict[str, float] = {}
        self._reports: list[Report] = []

    def use(self, snapshot: Snapshot) -> None:
        self._breakers.use({each.name: each.breaker for each in snapshot.deployments})
        self._watched = watched(snapshot)

    def health(self, now: float) -> Health:
        resting = self._breakers.resting(now)
        if now >= self._forget_at:
            self._forget(now)
        return replace(self._well, open=resting) if resting else self._well

    def started(self, deployment: str, now: float) -> None:
        self._breakers.started(deployment, now)
        self._in_flight[deployment] = self._in_flight.get(deployment, 0) + 1

    def ended(self, deployment: str) -> None:
        under_way = self._in_flight.get(deployment, 0)
        if under_way:
            self._in_flight[deployment] = under_way - 1

    def succeeded(self, deployment: str, now: float, first_content_s: float | None = None, *, whole: bool = False) -> None:
        if first_content_s is not None and deployment in self._watched:
            (self._whole if whole else self._streamed).observe(deployment, first_content_s, now)
        # What was under way before the breaker opened proves nothing: the others hear only of what closed it here.
        if self._breakers.succeeded(deployment, now):
            self._reported.pop(deployment, None)
            self._merged.pop(deployment, None)
            self._reports.append(Report(kind=CLOSED, deployment=deployment, by=self._worker, for_s=0.0))

    def failed(self, deployment: str, error: NinefoldError, now: float) -> None:
        self._breakers.failed(deployment, error, now)
        until = self._breakers.open_until(now).get(deployment)
        known = max(self._reported.get(deployment, 0.0), self._merged.get(deployment, 0.0))
        if until is not None and until > known:
            self._reported[deployment] = until
            self._reports.append(Report(kind=OPENED, deployment=deployment, by=self._worker, for_s=until - now))

    def _forget(self, now: float) -> None:
        """Who was slow a minute ago and was not asked since is unknown again, and so gets tried."""
        self._forget_at = now + 1.0
        for speeds in (self._streamed, self._whole):
            speeds.forget(now - FORGET_S)

    def take_reports(self) -> list[Report]:
        """What the others do not know yet; each report is handed out once."""
        if not self._reports:
            return []
        reports, self._reports = self._reports, []
        return reports

    def merge(self, deployment: str, by: str, for_s: float) -> None:
        """Worker `by` said that the deployment rests `for_s` more seconds, or (0 or less) that it is well; our own words are ignored."""
        if by == self._worker:
            return
        now = self._monotonic()
        if for_s > 0:
            self._merged[deployment] = now + for_s
            self._breakers.merge(deployment, now + for_s, now)

    def closed(self, deployment: str, by: str) -> None:
        """Worker `by` saw the deployment answer again."""
        if by != self._worker:
            self._merged.pop(deployment, None)
            self._reported.pop(deployment, None)
            self._breakers.closed_elsewhere(deployment)
