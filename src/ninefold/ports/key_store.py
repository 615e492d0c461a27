"""Where API keys live that were made at run time, not declared in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.domain.snapshot import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key and its life, in seconds since the epoch, UTC; `revoked_at` is None while it is accepted."""

    key: Key
    created_at: float
    revoked_at: float | None = None


class KeyStore(Protocol):
    """Digests of keys; no secret is ever stored.

    Laws (tests/contracts/test_key_store.py): an id and a secret are held once; a revocation is final, keeps its first moment and is in
    the delta log (`key.revoked`, subject: the key's id) from the moment it is in the store; keys are listed in the order of creation.
    On failure: Unavailable.
    Default: `ninefold.adapters.sql.keys`.
    """

    async def create(self, key: Key, at: float) -> None:
        """`key` is held since `at`. Raises: Conflict where its id or its secret is held already; Unavailable."""
        ...

    async def revoke(self, key_id: str, at: float) -> HeldKey:
        """The key as it stands, revoked at `at` or before. Raises: NotFound; Unavailable."""
        ...

    async def list(self, tenant: str | None) -> tuple[HeldKey, ...]:
        """Every key of `tenant`, or of all where None, revoked ones too. Raises: Unavailable."""
        ...
