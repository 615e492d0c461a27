"""Where the gateway reports how deployments fare, and reads how they do."""

from __future__ import annotations

from typing import Protocol

from ninefold.domain.errors import NinefoldError
from ninefold.ports.router import Health


class HealthBoard(Protocol):
    """One circuit breaker a deployment, shared by all workers.

    Laws (tests/contracts/test_health_board.py): enough failures in a row open a breaker; it lets one probe through when its cool-down
    has passed; a success closes it; what another worker reports counts here too.
    On failure: open (a lost report only delays a cool-down).
    """

    def health(self, now: float) -> Health:
        """What is not to be tried at `now` (seconds of a monotonic clock)."""
        ...

    def started(self, deployment: str, now: float) -> None:
        """An attempt is under way: a half-open breaker's one probe is taken."""
        ...

    def succeeded(self, deployment: str, now: float) -> None:
        """An attempt brought content."""
        ...

    def failed(self, deployment: str, error: NinefoldError, now: float) -> None:
        """An attempt came to nothing through the upstream's fault."""
        ...
