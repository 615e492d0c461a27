"""Everything the data plane knows, compiled by control into one immutable, versioned value; no database stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.money import Price
from ninefold.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret is to be found; never the secret. `kind` is "env" (a variable's name) or "file" (a path)."""

    kind: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. `first_token_s` counts from the sending of an attempt to its first content; `idle_s` between two reads after it;
    `total_s` is the whole request's, all attempts together."""

    connect_s: float = 5.0
    first_token_s: float = 30.0
    idle_s: float = 30.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a deployment can do: a capability in `lacks` it cannot; of any other nobody has said so. `context_tokens` is its window, None
    where nobody said. `prefill` and `caching` tell whether it continues an assistant's half sentence and keeps prompts."""

    lacks: tuple[str, ...] = ()
    context_tokens: int | None = None
    prefill: bool = False
    caching: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a deployment rests: after `failures_in_a_row`, or half of at least `min_attempts` within ten seconds; for `cool_down_s`,
    doubled after each failed probe up to `max_cool_down_s`."""

    failures_in_a_row: int = 5
    min_attempts: int = 10
    cool_down_s: float = 5.0
    max_cool_down_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a model really runs. `provider` is the vendor's word (openai, anthropic, local), `model` the vendor's name for it.

    `price` is None where nobody knows it: such calls make *unpriced* cost lines and an alert. `max_output_tokens` is the cap that
    is injected where a caller sets none. `operations` are the `Operation` values it can answer, and "responses" or "completions" where
    it speaks OpenAI's protocols of these names itself. `api_keys` are all its keys, `api_key` the first of them; `credentials` are named
    secrets of vendors that take more than one. `quality` holds evaluation scores by task class, from 0 to 1. `reserved_for` names the
    tenants that may use it; empty means all.
    """

    name: str
    provider: str
    base_url: str
    model: str
    api_key: SecretRef | None = None
    region: str | None = None
    price: Price | None = None
    max_output_tokens: int = 8192
    operations: tuple[str, ...] = ("chat",)
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str | None = None
    ca_file: str | None = None
    api_keys: tuple[SecretRef, ...] = ()
    credentials: tuple[tuple[str, SecretRef], ...] = ()
    api_version: str | None = None
    abilities: Abilities = Abilities()
    quality: tuple[tuple[str, float], ...] = ()
    reserved_for: tuple[str, ...] = ()
    breaker: BreakerRules = BreakerRules()
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Bounds of failover. `per_deployment` tries on one deployment come before the next is tried; a wait for the same one is at most
    `max_wait_s`. Retries and hedges of a worker are at most `budget_ratio` of its requests, and `budget_floor` in ten seconds."""

    max_attempts: int = 3
    per_deployment: int = 1
    max_wait_s: float = 10.0
    budget_ratio: float = 0.2
    budget_floor: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """A second attempt elsewhere where the first has brought nothing after `after_s` (None: the deployment's own 95th percentile), for
    at most `budget_ratio` of the requests."""

    after_s: float | None = None
    budget_ratio: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    """What is done with a conversation that is longer than the context of every candidate: `strategy` is refuse, drop_oldest, middle_out
    or summarise (by the model `summarise_with`)."""

    strategy: str = "refuse"
    summarise_with: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRoute:
    """How one task class of a model is answered: as `Model`, for this class alone."""

    task_class: str
    strategy: str
    deployments: tuple[str, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What callers ask for, and the deployments that may answer, best first.

    `weights` go with `deployments` where the strategy is weighted. `commit` is "first_content" (a stream is passed on as it comes) or
    "complete" (it is held back until the deployment has finished, so that a broken one can be replaced). `answers_as` is "asked" or
    "vendor": whose name stands in an answer's `model`. `cache_ttl_s` is 0 where answers are not kept.
    """

    name: str
    strategy: str
    deployments: tuple[str, ...]
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    weights: tuple[float, ...] = ()
    classes: tuple[ClassRoute, ...] = ()
    hedge: Hedge | None = None
    commit: str = "first_content"
    answers_as: str = "asked"
    cache_ttl_s: float = 0.0
    coalesce: bool = False
    truncation: Truncation = Truncation()
    slim_prompts: bool = False
    prompt_cache: bool = False
    affinity: bool = False
    micro_batch_ms: float = 0.0
    regions: tuple[str, ...] = ()

    @property
    def max_attempts(self) -> int:
        """Attempts in all, over all deployments."""
        return self.retries.max_attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """When a task class hands a request on to class `to`: `on` names triggers (no_rule_matched, low_support, failures, ambiguous,
    high_risk). Text is ambiguous or of high risk where one of the patterns is found in it."""

    to: str
    on: tuple[str, ...]
    min_support: float = 0.5
    failures: int = 2
    ambiguous: tuple[str, ...] = ()
    high_risk: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClass:
    """A kind of work. `patterns` (regular expressions over the last user text) put requests into it that name no class themselves;
    `quality_floor` and `first_token_s` are what `cheapest` must meet; `approval` means that somebody has to agree first."""

    name: str
    patterns: tuple[str, ...] = ()
    quality_floor: float | None = None
    first_token_s: float | None = None
    approval: bool = False
    promotion: Promotion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRules:
    """How much runs at once in one worker before requests wait, and how long they may: low, normal and high priority in seconds."""

    max_in_flight: int | None = None
    queue_s: tuple[float, float, float] = (0.0, 2.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A hard limit on money in a UTC calendar `window` (hour, day, week, month, total). `budget_id` is stable across versions."""

    budget_id: str
    limit_nanos: int
    window: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A hard limit on a rate or on what runs at once.

    `measure` is requests, tokens, input_tokens, output_tokens or concurrent; `period_s` is 60 or 86,400, and 0 for concurrent.
    """

    limit_id: str
    measure: str
    amount: int
    period_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who pays. `models` is an allow-list: nothing listed is nothing allowed.

    `attribution` is the tenant's declared default; None means that a request which nobody owns is refused. `durability` is
    "group" (fsync follows within 10 ms) or "strict" (an answer waits for it). `regions` is where its data may go; empty means anywhere.
    `priority` is the highest its requests may claim, and what they have where they claim none.
    """

    name: str
    models: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    attribution: tuple[tuple[str, str], ...] | None = ()
    max_request_bytes: int | None = None
    max_output_tokens: int | None = None
    durability: str = "group"
    regions: tuple[str, ...] = ()
    priority: str = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A credential's shadow: `digest` is the SHA-256 of the secret in hex. `expires_at` is in seconds since the epoch, UTC."""

    key_id: str
    name: str
    tenant: str
    digest: str
    expires_at: float | None = None
    attribution: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of the truth. `version` grows by one with each change; `policy_version` is a digest over tenants and policies."""

    version: int
    digest: str
    compiled_at: float
    policy_version: str
    deployments: tuple[Deployment, ...] = ()
    models: tuple[Model, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    keys: tuple[Key, ...] = ()
    max_body_bytes: int = 32 * 1024 * 1024
    task_classes: tuple[TaskClass, ...] = ()
    load: LoadRules = LoadRules()
    responses_ttl_s: float = 30 * 86_400.0
    idempotency_ttl_s: float = 86_400.0
    policies: tuple[Policy, ...] = ()
