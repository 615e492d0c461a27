"""Where spans go. The journal, not this, holds what may never be lost."""

from __future__ import annotations

from typing import Protocol


class EventLog(Protocol):
    """One writer's append-only sequence of JSON documents.

    `append` is called from one thread, never waits and never fails.
    Laws (tests/contracts/test_event_log.py): what `flush` returned for is read back whole and in order, also after `kill -9`; an event
    is read whole or not at all; what does not fit into the bounded buffer, holds a line break, or could not be written is dropped and
    counted, and later events are still taken.
    On failure: open.
    Default: `ninefold.adapters.events.ndjson`; `ninefold.adapters.memory.events` in tests.
    """

    @property
    def dropped(self) -> int:
        """How many events were lost so far."""
        ...

    def append(self, event: bytes) -> None:
        """`event` is buffered, or counted in `dropped`; it reaches stable storage soon."""
        ...

    async def flush(self) -> None:
        """Everything appended before is on stable storage or counted in `dropped`."""
        ...

    async def close(self) -> None:
        """Everything is flushed; what is appended from now on is dropped. Idempotent."""
        ...
