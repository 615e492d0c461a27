"""Everything the data plane knows, compiled by control into one immutable, versioned value; no database stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.money import Price


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
class Deployment:
    """Where a model really runs. `provider` is the vendor's word (openai, anthropic, local), `model` the vendor's name for it.

    `price` is None where nobody knows it: such calls make *unpriced* cost lines and an alert. `max_output_tokens` is the cap that
    is injected where a caller sets none. `operations` are the `Operation` values it can answer.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What callers ask for, and the deployments that may answer, best first."""

    name: str
    strategy: str
    deployments: tuple[str, ...]
    timeouts: Timeouts = Timeouts()
    max_attempts: int = 3


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
    "group" (fsync follows within 10 ms) or "strict" (an answer waits for it).
    """

    name: str
    models: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    attribution: tuple[tuple[str, str], ...] | None = ()
    max_request_bytes: int | None = None
    max_output_tokens: int | None = None
    durability: str = "group"


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
