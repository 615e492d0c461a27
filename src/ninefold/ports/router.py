"""How the gateway learns where a call may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Deployment, Model, Promotion, Snapshot, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the deployments fare, as of one moment: whose breaker is `open` and is not to be tried now; the seconds to first content of
    each (`first_token_s`, a peak-sensitive moving average; absent where nothing is known), their 95th percentile (`p95_s`), the same two
    of answers that come whole (`whole_s`, `whole_p95_s`), and how many attempts this worker has under way (`in_flight`). The mappings
    are the board's own: read, never kept."""

    open: frozenset[str] = frozenset()
    first_token_s: Mapping[str, float] = field(default_factory=dict[str, float])
    p95_s: Mapping[str, float] = field(default_factory=dict[str, float])
    whole_s: Mapping[str, float] = field(default_factory=dict[str, float])
    whole_p95_s: Mapping[str, float] = field(default_factory=dict[str, float])
    in_flight: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A conversation is to be cut by `strategy` (drop_oldest, middle_out or summarise) to `context_tokens`, the answer's share included."""

    strategy: str
    context_tokens: int
    summarise_with: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment that was looked at: why it is in the plan, or why it is not."""

    deployment: str
    taken: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One task class of a plan: its deployments are `plan.deployments[start:end]`; `promotion` says when the next stage takes over."""

    task_class: str
    start: int
    end: int
    promotion: Promotion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Deployments to try, best first, and why. `reason` is one sentence that stands in the answer and in the records.

    `stages` is empty where the request has no task class that could be promoted; `considered` tells of every deployment of the route.
    `edit` says how the conversation is shortened before it is sent, None where it fits.
    """

    model: Model
    deployments: tuple[Deployment, ...]
    strategy: str
    task_class: str
    reason: str
    stages: tuple[Stage, ...] = ()
    considered: tuple[Candidate, ...] = ()
    edit: Edit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One attempt that came to nothing. `other_key` tells that the same deployment may be tried at once, with another of its keys."""

    deployment: str
    error: NinefoldError
    elsewhere: bool
    other_key: bool = False


class Router(Protocol):
    """Orders the deployments of a model for one call; the same arguments give the same plan.

    Laws (tests/contracts/test_router.py): only deployments of the model that can do the operation; those with an open breaker come
    last, so that a request is still tried when all are open; no deployment outside the regions that the call, its tenant and its model
    allow, whatever fails; retries and hedges of a model stay within its budget.
    """

    def plan(self, snapshot: Snapshot, tenant: Tenant, call: ModelCall, health: Health, draw: float) -> Plan:
        """Where to try, in order; `draw` is uniform in [0, 1).

        Raises: ModelNotFound, NoRoute, InvalidRequest (no such task class), ContextTooLong, ApprovalRequired; Unavailable where every
        deployment has as much under way as it may.
        """
        ...

    def after_failure(self, plan: Plan, failed: Sequence[Failure], elapsed_s: float, jitter: float) -> tuple[Deployment, float] | None:
        """Where to try next and how many seconds to wait before, or None where the request must fail with its last error.

        `jitter` is uniform in [0, 1). A wait never reaches past the model's total deadline. Each answer but None, and but another key of
        the same deployment, is taken out of the model's retry budget.
        """
        ...

    def may_hedge(self, plan: Plan, now: float) -> bool:
        """Whether a second attempt may run beside the first; where it may, it is taken out of the budgets of hedges and of retries.

        `now` is of the monotonic clock that the router counts by.
        """
        ...
