"""Every request has an owner."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import InvalidRequest
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Tenant

_MAX_VALUE_CHARS = 128


def attribute(tenant: Tenant, who: Principal, call: ModelCall) -> tuple[tuple[str, str], ...]:
    """Product, workflow, environment, feature and task of this request.

    The request's own words come first, then the key's defaults, then the tenant's. A value the key fixes cannot be changed by the
    request: a key made for one product may not book on another. Raises: InvalidRequest.
    """
    if not call.attribution:
        if who.attribution:
            return tuple((dict(tenant.attribution) | dict(who.attribution)).items()) if tenant.attribution else who.attribution
        if tenant.attribution is None:
            raise InvalidRequest(
                "This tenant takes attributed requests only: send x-ninefold-product or x-ninefold-workflow, or use a key that has them.",
                param="x-ninefold-product",
            )
        return tenant.attribution
    fixed = dict(who.attribution)
    merged = dict(tenant.attribution or ()) | fixed
    for name, value in call.attribution:
        if len(value) > _MAX_VALUE_CHARS or not value.isprintable():
            raise InvalidRequest(f"{name} must be at most {_MAX_VALUE_CHARS} printable characters.", param=name)
        if name in fixed and fixed[name] != value:
            raise InvalidRequest(f"This key is bound to {name}={fixed[name]}.", param=name)
        merged[name] = value
    return tuple(merged.items())
