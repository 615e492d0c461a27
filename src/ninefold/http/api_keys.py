"""`/api/v1/keys`: API keys made at run time."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ninefold.http.api_key_facts import facts_of
from ninefold.http.problem import responses
from ninefold.ports.key_store import HeldKey

TEN_YEARS_S = 10 * 366 * 86_400
TenantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="a tenant of the configuration")]
_Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~]+$")]


class Attribution(BaseModel):
    """Who the requests of a key are booked to where they do not say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    product: _Words | None = None
    workflow: _Words | None = None
    environment: _Words | None = None
    feature: _Words | None = None
    task_id: _Words | None = None

    def to_domain(self) -> tuple[tuple[str, str], ...]:
        """The members that are set, in the order of their names."""
        return tuple(sorted((name, str(value)) for name, value in self.model_dump(exclude_none=True).items()))


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tenant: TenantName
    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = Field(
        default=None, description="how records call it; made from its id where not set"
    )
    expires_in_s: float | None = Field(
        default=None, ge=1, le=TEN_YEARS_S, allow_inf_nan=False, description="seconds from now until it is refused; never where not set"
    )
    attribution: Attribution = Field(default_factory=Attribution)


class KeyFacts(BaseModel):
    """A key without its secret. Times are seconds since the epoch, UTC."""

    key_id: str
    name: str
    tenant: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    attribution: dict[str, str]

    @classmethod
    def from_domain(cls, held: HeldKey) -> KeyFacts:
        """What may be shown of `held`."""
        return cls.model_validate(facts_of(held))


class CreatedKey(KeyFacts):
    """A key with its secret, which is shown this once and stored nowhere."""

    secret: str


class KeyList(BaseModel):
    """Keys in the order of creation."""

    keys: list[KeyFacts]


class KeyDesk(Protocol):
    """What these routes need done."""

    async def create(
        self, *, tenant: str, name: str | None, expires_in_s: float | None, attribution: tuple[tuple[str, str], ...]
    ) -> tuple[HeldKey, str]:
        """The key, accepted by every gateway in under a second, and its secret. Raises: NotFound for an unknown tenant; Unavailable."""
        ...

    async def listing(self, tenant: str | None) -> tuple[HeldKey, ...]:
        """Every key made at run time, revoked ones too. Raises: Unavailable."""
        ...

    async def revoke(self, key_id: str) -> HeldKey:
        """The key is refused by every gateway in under a second. Raises: NotFound; Unavailable."""
        ...


def keys_router(desk: KeyDesk) -> APIRouter:
    """The routes over `desk`."""
    router = APIRouter(prefix="/keys", tags=["keys"])

    @router.post("", status_code=201, responses=responses(404, 409), operation_id="createKey")
    async def create(new: NewKey, response: Response) -> CreatedKey:
        """Make a key; its secret is in this answer and nowhere else."""
        held, secret = await desk.create(
            tenant=new.tenant, name=new.name, expires_in_s=new.expires_in_s, attribution=new.attribution.to_domain()
        )
        response.headers["location"] = f"/api/v1/keys/{held.key.key_id}"
        return CreatedKey.model_validate({**facts_of(held), "secret": secret})

    @router.get("", responses=responses(), operation_id="listKeys")
    async def listing(tenant: Annotated[TenantName | None, Query()] = None) -> KeyList:
        """List the keys made at run time; those that the configuration file declares are not among them."""
        return KeyList(keys=[KeyFacts.from_domain(held) for held in await desk.listing(tenant)])

    @router.delete("/{key_id}", responses=responses(404), operation_id="revokeKey")
    async def revoke(key_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]) -> KeyFacts:
        """Revoke a key for good, streams in flight included; revoking it again changes nothing."""
        return KeyFacts.from_domain(await desk.revoke(key_id))

    return router
