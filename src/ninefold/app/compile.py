"""Compiles the configuration and the stored keys into the one value that the data plane knows."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from ninefold.app import config as written
from ninefold.app.compile_routing import abilities, breaker_rules, load_rules, model, task_class
from ninefold.app.config_check import INSIDE, can_do
from ninefold.app.config_problem import ConfigInvalid, Place, Problem, Steps, problem
from ninefold.app.config_types import Secret
from ninefold.app.secrets import SecretMissing, SecretReader
from ninefold.domain.money import NANOS_PER_USD, Price
from ninefold.domain.snapshot import Budget, Deployment, Key, Limit, SecretRef, Snapshot, Tenant
from ninefold.finops.catalogue import DatedCatalogue, DatedPrice, PriceCatalogue
from ninefold.wire.dialects.vendors import VENDORS

WORKER_SOCKET = "run/worker.sock"
LOCAL_PRICE = Price(version="local", input_per_million=0, output_per_million=0, cached_input_per_million=0, cache_write_per_million=0)
_SECONDS = {"minute": 60, "day": 86_400}


def _log_warning(text: str) -> None:
    logging.getLogger("ninefold.config").warning("%s", text)


def compile_snapshot(
    config: written.Config,
    stored_keys: Sequence[Key],
    *,
    version: int,
    now: float,
    resolve: SecretReader,
    catalogue: PriceCatalogue,
    warn: Callable[[str], None] = _log_warning,
) -> Snapshot:
    """The snapshot. Ids of keys, budgets and limits depend on names alone, so that they live through every change of a number.

    `warn` hears of what is left out or not known (a key without its variable, a deployment without a price); `resolve` is asked for
    tenants' keys, whose digests stand in the snapshot, and to find out which upstream credentials are missing.
    Raises: ConfigInvalid where two keys are one credential, or a stored key stands in the file too.
    """
    compiler = _Compiler(config=config, resolve=resolve, warn=warn, now=now, catalogue=_with_own_prices(config, catalogue))
    deployments = tuple(compiler.deployment(each) for each in config.all_deployments)
    models = tuple(model(each) for each in config.all_models)
    classes = tuple(task_class(each) for each in config.task_classes)
    tenants = tuple(_tenant(each, config.server.durability) for each in config.tenants)
    keys = (*compiler.configured_keys(), *compiler.kept(stored_keys))
    compiler.refuse_clashes(keys)
    server = config.server
    max_body_bytes = server.max_body_bytes
    return Snapshot(
        version=version,
        digest=_digest(
            [
                deployments,
                models,
                tenants,
                keys,
                max_body_bytes,
                classes,
                load_rules(config.server.load),
                server.responses_ttl_s,
                server.idempotency_ttl_s,
                config.rules,
            ]
        ),
        compiled_at=now,
        policy_version=_digest([tenants, config.rules])[:16],
        deployments=deployments,
        models=models,
        tenants=tenants,
        keys=keys,
        max_body_bytes=max_body_bytes,
        task_classes=classes,
        load=load_rules(config.server.load),
        responses_ttl_s=config.server.responses_ttl_s,
        idempotency_ttl_s=config.server.idempotency_ttl_s,
        policies=config.rules,
    )


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def key_digest(secret: str) -> str:
    """The shadow of a key's secret that snapshots carry."""
    return hashlib.sha256(secret.encode()).hexdigest()


def configured_key_id(tenant: str, name: str) -> str:
    """The id of a key that the file declares."""
    return f"{tenant}/key/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    config: written.Config
    resolve: SecretReader
    warn: Callable[[str], None]
    now: float
    catalogue: PriceCatalogue

    def deployment(self, each: written.Deployment) -> Deployment:
        inside = each.provider in INSIDE
        base_url = f"unix:{self.config.path(self.config.data_dir) / WORKER_SOCKET}" if inside else _address(each)
        given = each.api_keys or (() if each.api_key is None else (each.api_key,))
        api_keys = tuple(self._reference(secret) for secret in given)
        credentials = tuple((name, self._reference(secret)) for name, secret in each.credentials.items())
        for reference in (*api_keys, *(secret for _, secret in credentials)):
            try:
                self.resolve(reference)
            except SecretMissing as error:
                self.warn(f"deployment {each.name}: {error.detail}; its calls will fail until it is there")
        price = self._price(each, base_url)
        if price is None:
            self.warn(
                f"deployment {each.name}: nobody knows what {each.provider}/{each.model} costs; write its price, or its calls stay unpriced"
            )
        return Deployment(
            name=each.name,
            provider=each.provider,
            base_url=base_url,
            model=str(self.config.path(each.model))
            if each.provider == "rules" or (inside and each.model.endswith(".gguf"))
            else each.model,
            api_key=api_keys[0] if api_keys else None,
            region=each.region,
            price=price,
            max_output_tokens=each.max_output_tokens,
            operations=_operations(each),
            headers=tuple(each.headers.items()),
            proxy=each.proxy,
            ca_file=str(self.config.path(each.ca_file)) if each.ca_file is not None else None,
            api_keys=api_keys,
            credentials=credentials,
            api_version=each.api_version,
            abilities=abilities(each.capabilities),
            quality=tuple(each.quality.items()),
            reserved_for=each.reserved_for,
            breaker=breaker_rules(each.breaker),
            max_in_flight=each.max_in_flight,
        )

    def _price(self, each: written.Deployment, base_url: str) -> Price | None:
        if each.price is not None:
            return to_price(each.price, each.provider)
        if each.provider in INSIDE:
            return LOCAL_PRICE
        return self.catalogue.price(each.provider, each.model, base_url=base_url, at=self.now)

    def configured_keys(self) -> Iterator[Key]:
        for tenant in self.config.tenants:
            for key in tenant.keys:
                try:
                    secret = self.resolve(self._reference(key.secret))
                except SecretMissing as error:
                    self.warn(f"key {key.name} of tenant {tenant.name} is left out: {error.detail}")
                    continue
                yield Key(
                    key_id=configured_key_id(tenant.name, key.name),
                    name=key.name,
                    tenant=tenant.name,
                    digest=key_digest(secret),
                    expires_at=datetime.fromisoformat(key.expires_at).timestamp() if key.expires_at is not None else None,
                    attribution=_attribution(key.attribution),
                )

    def kept(self, stored_keys: Sequence[Key]) -> Iterator[Key]:
        """Those of `stored_keys` whose tenant there is."""
        names = {each.name for each in self.config.tenants}
        for key in stored_keys:
            if key.tenant in names:
                yield key
            else:
                self.warn(f"key {key.name} ({key.key_id}) is left out: there is no tenant {key.tenant}")

    def refuse_clashes(self, keys: Sequence[Key]) -> None:
        """Raises: ConfigInvalid where two of `keys` have one id, one digest, or one name in one tenant."""
        problems: list[Problem] = []
        for what, of in (("id", _key_id), ("secret", _key_digest), ("name", _key_name)):
            seen: dict[object, Key] = {}
            for key in keys:
                other = seen.setdefault(of(key), key)
                if other is not key:
                    problems.append(self._clash(key, other, what))
        if problems:
            raise ConfigInvalid(problems)

    def _clash(self, key: Key, other: Key, what: str) -> Problem:
        """A problem at the place of whichever of the two the file declares."""
        declared = {
            configured_key_id(tenant.name, key.name): (i, j)
            for i, tenant in enumerate(self.config.tenants)
            for j, key in enumerate(tenant.keys)
        }
        at = declared.get(key.key_id) or declared.get(other.key_id)
        steps: Steps = ("tenants", at[0], "keys", at[1]) if at is not None else ()
        place = self.config.places.get(steps) or Place(source=str(self.config.file or "default"))
        message = f"has the same {what} as key {other.name} ({other.key_id}) of tenant {other.tenant}; each key needs its own"
        return problem(place, steps, f"key {key.name} ({key.key_id}) of tenant {key.tenant} {message}")

    def _reference(self, secret: Secret) -> SecretRef:
        return secret_ref(self.config, secret)


def _operations(each: written.Deployment) -> tuple[str, ...]:
    found = each.operations if each.operations is not None else can_do(each.provider, each.model)
    return (*found, "passthrough") if each.passthrough and "passthrough" not in found else found


def _address(each: written.Deployment) -> str:
    public = VENDORS[each.provider].public_url
    return each.base_url or (public or "").replace("{region}", each.region or "")


def _key_id(key: Key) -> object:
    return key.key_id


def _key_digest(key: Key) -> object:
    return key.digest


def _key_name(key: Key) -> object:
    return key.tenant, key.name


def secret_ref(config: written.Config, secret: Secret) -> SecretRef:
    """`secret` as the data plane knows it: files by absolute path."""
    if secret.env is not None:
        return SecretRef(kind="env", where=secret.env)
    assert secret.file is not None
    return SecretRef(kind="file", where=str(config.path(secret.file)))


def _with_own_prices(config: written.Config, catalogue: PriceCatalogue) -> PriceCatalogue:
    if not config.prices:
        return catalogue
    dated = (
        DatedPrice(
            provider=each.provider,
            model=each.model,
            effective_from=datetime.fromisoformat(each.effective_from).timestamp(),
            price=to_price(each, each.provider),
        )
        for each in config.prices
    )
    return DatedCatalogue(dated, otherwise=catalogue)


def to_price(price: written.PriceList, provider: str) -> Price:
    """`price` in nano-dollars; its version is a digest of its figures."""
    read_share, write_share = VENDORS[provider].cache_shares
    cached, cache_write = price.cached_input_per_million, price.cache_write_per_million
    rates = (
        _nanos(price.input_per_million),
        _nanos(price.output_per_million),
        _nanos(cached if cached is not None else price.input_per_million * read_share),
        _nanos(cache_write if cache_write is not None else price.input_per_million * write_share),
    )
    return Price(
        version=f"config:{_digest(rates)[:12]}",
        input_per_million=rates[0],
        output_per_million=rates[1],
        cached_input_per_million=rates[2],
        cache_write_per_million=rates[3],
    )


def _nanos(usd: Decimal) -> int:
    return int((usd * NANOS_PER_USD).to_integral_value(rounding=ROUND_HALF_UP))


def _tenant(each: written.Tenant, durability: str) -> Tenant:
    return Tenant(
        name=each.name,
        models=each.models,
        budgets=tuple(
            Budget(budget_id=f"{each.name}/budget/{budget.window}", limit_nanos=_nanos(budget.limit_usd), window=budget.window)
            for budget in each.budgets
        ),
        limits=tuple(_limits(each)),
        attribution=None if each.attribution.required else _attribution(each.attribution),
        max_request_bytes=each.max_request_bytes,
        max_output_tokens=each.max_output_tokens,
        durability=each.durability if each.durability is not None else durability,
        regions=each.regions,
        priority=each.priority,
    )


def _limits(tenant: written.Tenant) -> Iterator[Limit]:
    for key in written.Limits.model_fields:
        amount: int | None = getattr(tenant.limits, key)
        if amount is None:
            continue
        measure, _, period = key.partition("_per_")
        if key == "concurrent_requests":
            measure, period_s = "concurrent", 0
        else:
            period_s = _SECONDS[period]
        yield Limit(limit_id=f"{tenant.name}/limit/{key}", measure=measure, amount=amount, period_s=period_s)


def _attribution(each: written.Attribution) -> tuple[tuple[str, str], ...]:
    named = ((name, getattr(each, name)) for name in written.Attribution.model_fields)
    return tuple((name, value) for name, value in named if value is not None)
