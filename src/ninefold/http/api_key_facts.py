"""What may be shown of a key, to the control plane's callers and on the command line."""

from __future__ import annotations

from ninefold.ports.key_store import HeldKey


def facts_of(held: HeldKey) -> dict[str, object]:
    """`held` as a JSON object; it has no secret and no digest."""
    key = held.key
    return {
        "key_id": key.key_id,
        "name": key.name,
        "tenant": key.tenant,
        "created_at": held.created_at,
        "expires_at": key.expires_at,
        "revoked_at": held.revoked_at,
        "attribution": dict(key.attribution),
    }
