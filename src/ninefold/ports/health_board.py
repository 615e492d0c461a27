"""Where the gateway reports how deployments fare, and reads how they do."""

from __future__ import annotations

from typing import Protocol

from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Snapshot
from ninefold.ports.router import Health


class HealthBoard(Protocol):
    """One circuit breaker a deployment, shared by all workers.

    Laws (tests/contracts/test_health_board.py): enough failures in a row open a breaker; it lets one probe through when its cool-down
    has passed; a success closes it; what another worker reports counts here too.
    On failure: open (a lost report only delays a cool-down).
    """

    def use(self, snapshot: Snapshot) -> None:
        """Breakers from now on follow the rules of the deployments of `snapshot`."""
        ...

    def health(self, now: float) -> Health:
        """What is not to be tried at `now` (seconds of a monotonic clock), how fast each deployment is and how busy."""
        ...

    def started(self, deployment: str, now: float) -> None:
        """An attempt is under way, until `ended`: a half-open breaker's one probe is taken."""
        ...

    def succeeded(self, deployment: str, now: float, first_content_s: float | None = None, *, whole: bool = False) -> None:
        """An attempt brought content, `first_content_s` after it was sent (None where that says nothing of the deployment's speed);
        `whole` where that was all of the answer at once."""
        ...

    def failed(self, deployment: str, error: NinefoldError, now: float) -> None:
        """An attempt came to nothing through the upstream's fault."""
        ...

    def ended(self, deployment: str) -> None:
        """What `started` began is over, however it ended; once for each."""
        ...
