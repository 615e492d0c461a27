"""Where control publishes what gateways know, and where they find it."""

from __future__ import annotations

from typing import Protocol

from ninefold.domain.snapshot import Snapshot


class SnapshotStore(Protocol):
    """The one snapshot in force.

    Laws (tests/contracts/test_snapshot_store.py): `load` returns what was published last, equal in every field; `version` is that
    snapshot's, 0 before the first; versions only grow: an older or a different snapshot of the same version is refused, the same one
    again is accepted; a reader sees the old one or the new one, never a mixture.
    On failure: Unavailable; gateways go on with the snapshot they have.
    Default: `ninefold.adapters.sql.snapshots`; `ninefold.adapters.snapshot_file.file` keeps the copy a gateway starts from.
    """

    async def publish(self, snapshot: Snapshot) -> None:
        """`snapshot` is in force. Raises: Conflict where another of its version, or a later one, is; Unavailable."""
        ...

    async def version(self) -> int:
        """The version in force; cheap enough to ask five times a second. Raises: Unavailable."""
        ...

    async def load(self) -> Snapshot | None:
        """The snapshot in force, None before the first. Raises: Unavailable, also where what is stored is damaged."""
        ...
