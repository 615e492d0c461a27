"""A snapshot as bytes, in the database and on disk. It holds digests and references, no secret."""

from __future__ import annotations

import msgspec

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Snapshot


def encode(snapshot: Snapshot) -> bytes:
    """`snapshot` as JSON; equal snapshots give equal bytes."""
    return msgspec.json.encode(snapshot)


def decode(body: bytes) -> Snapshot:
    """The snapshot in `body`. Members of a later version are passed over, missing ones take their defaults.

    Raises: Unavailable where it is not a snapshot.
    """
    try:
        return msgspec.json.decode(body, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable("the stored snapshot cannot be read: control has to publish a new one") from error
