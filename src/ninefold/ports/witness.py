"""A place outside of the data directory that remembers what the audit log has signed."""

from __future__ import annotations

from typing import Protocol


class Witness(Protocol):
    """Remembers checkpoints, so that a log that was rewritten as a whole, signatures included, can be told.

    Laws (tests/contracts/test_audit_witness.py): what was remembered is told in its order; telling it the same again changes nothing.
    On failure: Unavailable; the log goes on, and says that its witness is behind.
    """

    def remember(self, note: str) -> None:
        """The note is on stable storage there. Raises: Unavailable."""
        ...

    def notes(self) -> str:
        """Every note that was remembered, one behind the other. Raises: Unavailable."""
        ...
