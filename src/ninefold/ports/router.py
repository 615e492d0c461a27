"""How the gateway learns where a call may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Deployment, Model, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Which deployments are not to be tried now (their breaker is open), as of one moment."""

    open: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Deployments to try, best first, and why. `reason` is one sentence that stands in the answer and in the records."""

    model: Model
    deployments: tuple[Deployment, ...]
    strategy: str
    task_class: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One attempt that came to nothing."""

    deployment: str
    error: NinefoldError
    elsewhere: bool


class Router(Protocol):
    """Orders the deployments of a model for one call; pure.

    Laws (tests/contracts/test_router.py): only deployments of the model that can do the operation; those with an open breaker come
    last, so that a request is still tried when all are open.
    Raises: ModelNotFound, NoRoute.
    """

    def plan(self, snapshot: Snapshot, call: ModelCall, health: Health) -> Plan:
        """Where to try, in order."""
        ...

    def after_failure(self, plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> tuple[Deployment, float] | None:
        """Where to try next and how many seconds to wait before, or None where the request must fail with its last error.

        `jitter` is uniform in [0, 1). A wait never reaches past the model's total deadline.
        """
        ...
