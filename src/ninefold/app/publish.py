"""How a new snapshot comes into force, whoever makes it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ninefold.domain.errors import Conflict, Unavailable
from ninefold.domain.snapshot import Key, Snapshot
from ninefold.ports.snapshot_store import SnapshotStore
from ninefold.wire import snapshot as codec

_ATTEMPTS = 20


def digest_of(snapshot: Snapshot) -> str:
    """SHA-256 over what `snapshot` says, in hex: equal for equal content, whatever its version and when it was compiled."""
    return hashlib.sha256(codec.encode(replace(snapshot, version=0, digest="", compiled_at=0.0))).hexdigest()


def with_key(snapshot: Snapshot, key: Key) -> Snapshot:
    """`snapshot` accepts `key`. Raises: Conflict where another key has the same secret."""
    others = tuple(known for known in snapshot.keys if known.key_id != key.key_id)
    if any(known.digest == key.digest for known in others):
        raise Conflict("another key has the same secret: make a new one")
    return replace(snapshot, keys=(*others, key))


def without_key(snapshot: Snapshot, key_id: str) -> Snapshot:
    """`snapshot` does not accept the key."""
    return replace(snapshot, keys=tuple(known for known in snapshot.keys if known.key_id != key_id))


async def publish_change(
    store: SnapshotStore, change: Callable[[Snapshot | None], Awaitable[Snapshot]], now: float
) -> tuple[Snapshot, bool]:
    """The snapshot in force after `change` was applied to the one before, and whether that made a difference.

    `change` may be called again where somebody else published meanwhile; its result's version, digest and time are set here.
    Raises: what `change` raises; Unavailable.
    """
    for _ in range(_ATTEMPTS):
        before = await store.load()
        changed = await change(before)
        digest = digest_of(changed)
        if before is not None and before.digest == digest:
            return before, False
        fresh = replace(changed, version=(before.version if before is not None else 0) + 1, digest=digest, compiled_at=now)
        try:
            await store.publish(fresh)
        except Conflict:
            continue
        return fresh, True
    raise Unavailable("Others publish snapshots faster than this change could be made: try again.", retry_after_s=1)
