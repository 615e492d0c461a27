"""The circuit breakers of one worker, and what it tells the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import BreakerRules, Snapshot
from ninefold.ports.router import Health
from ninefold.routing.breaker import Breakers

OPENED, CLOSED = "breaker.opened", "breaker.closed"


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


class BreakerBoard:
    """`HealthBoard` of one worker: its own breakers, with what others reported merged in.

    Only what this worker found out itself is reported, so that two workers never keep each other's breakers open.
    """

    def __init__(self, worker: str, monotonic: Callable[[], float]) -> None:
        self._worker = worker
        self._monotonic = monotonic
        self._breakers = Breakers()
        self._rules: dict[str, BreakerRules] = {}
        self._reported: dict[str, float] = {}
        self._merged: dict[str, float] = {}
        self._reports: list[Report] = []

    def use(self, snapshot: Snapshot) -> None:
        self._rules = {each.name: each.breaker for each in snapshot.deployments}

    def health(self, now: float) -> Health:
        return self._breakers.health(now)

    def started(self, deployment: str, now: float) -> None:
        self._breakers.started(deployment, now)

    def ended(self, deployment: str) -> None:
        del deployment

    def succeeded(self, deployment: str, now: float, first_content_s: float | None = None, *, whole: bool = False) -> None:
        del first_content_s, whole
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
