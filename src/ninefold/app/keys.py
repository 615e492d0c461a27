"""API keys made at run time, for the command line and the control plane alike."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from ninefold.app.publish import publish_change, with_key, without_key
from ninefold.domain.errors import Conflict, NotFound, Unavailable
from ninefold.domain.snapshot import Key, Snapshot
from ninefold.identity.api_keys import ENTROPY_BYTES, digest, new_secret
from ninefold.ports.key_store import HeldKey, KeyStore
from ninefold.ports.snapshot_store import SnapshotStore


class Keys:
    """Makes and revokes keys in the store, and publishes at once, so that gateways know within their next poll (200 ms)."""

    def __init__(
        self,
        store: KeyStore,
        snapshots: SnapshotStore,
        *,
        clock: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._clock = clock
        self._random_bytes = random_bytes

    async def create(
        self, *, tenant: str, name: str | None, expires_in_s: float | None, attribution: tuple[tuple[str, str], ...]
    ) -> tuple[HeldKey, str]:
        """The key, in force, and its secret. Raises: NotFound for a tenant that is not configured; Conflict for a name in use."""
        snapshot = await self._snapshots.load()
        _require_tenant(snapshot, tenant)
        now = self._clock()
        secret = new_secret(self._random_bytes(ENTROPY_BYTES))
        key_id = f"key_{self._random_bytes(8).hex()}"
        if name is not None:
            taken = {held.key.name for held in await self._store.list(tenant) if held.revoked_at is None}
            declared = {key.name for key in _standing(snapshot).keys if key.tenant == tenant}
            if name in taken | declared:
                raise Conflict(
                    f"tenant {tenant!r} has a key named {name!r} already: revoke that one first, or use another name", param="name"
                )
        key = Key(
            key_id=key_id,
            name=name or key_id,
            tenant=tenant,
            digest=digest(secret),
            expires_at=None if expires_in_s is None else now + expires_in_s,
            attribution=attribution,
        )
        await self._store.create(key, now)

        async def accept(before: Snapshot | None) -> Snapshot:
            return with_key(_standing(before), key)

        # Should we die here, control finds the key in the store and publishes it.
        await publish_change(self._snapshots, accept, now)
        return HeldKey(key=key, created_at=now), secret

    async def listing(self, tenant: str | None) -> tuple[HeldKey, ...]:
        """Every key made at run time, in the order of creation."""
        return await self._store.list(tenant)

    async def revoke(self, key_id: str) -> HeldKey:
        """The key, refused from now on: the delta log tells gateways at once. Raises: NotFound."""
        now = self._clock()
        held = await self._store.revoke(key_id, now)

        async def refuse(before: Snapshot | None) -> Snapshot:
            return without_key(_standing(before), key_id)

        await publish_change(self._snapshots, refuse, now)
        return held


def _require_tenant(snapshot: Snapshot | None, tenant: str) -> None:
    known = [each.name for each in _standing(snapshot).tenants]
    if tenant not in known:
        there = f"; there are: {', '.join(known[:20])}" if known else ""
        raise NotFound(f"there is no tenant {tenant!r} in the configuration{there}", param="tenant")


def _standing(snapshot: Snapshot | None) -> Snapshot:
    if snapshot is None:
        raise Unavailable("nothing is published yet: start `ninefold up` once, which publishes the configuration")
    return snapshot
