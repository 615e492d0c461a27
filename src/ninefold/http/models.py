"""`GET /v1/models` and `GET /v1/models/{model}`, in the protocol of whoever asks."""

from __future__ import annotations

from ninefold.domain.errors import ModelNotFound
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Snapshot
from ninefold.http.visit import Visit
from ninefold.policy.decide import allows
from ninefold.wire.anthropic import models as anthropic
from ninefold.wire.openai import models as openai


def visible(snapshot: Snapshot, who: Principal) -> list[tuple[str, int]]:
    """The models this caller may use, with the time they were last compiled, in the order of the configuration."""
    tenant = next((tenant for tenant in snapshot.tenants if tenant.name == who.tenant), None)
    if tenant is None:
        return []
    return [(model.name, int(snapshot.compiled_at)) for model in snapshot.models if allows(tenant, model.name)]


def get_models(visit: Visit, snapshot: Snapshot, who: Principal, name: str | None) -> None:
    """The list, or one model of it. Raises: ModelNotFound."""
    found = visible(snapshot, who)
    wire = anthropic if "anthropic-version" in visit.exchange.headers else openai
    if name is None:
        body = wire.encode_list(found)
    else:
        one = next(((model, created) for model, created in found if model == name), None)
        if one is None:
            raise ModelNotFound(f"There is no model {name!r} for this key; GET /v1/models lists those there are.", param="model")
        body = wire.encode_one(*one)
    visit.status = 200
    visit.exchange.reply(200, visit.headers("application/json"), body)
