"""Signs of life that bring nothing."""

from __future__ import annotations

PING = b"event: ping\n"


def only_pings(events: bytes) -> bool:
    """Whether whole events on their way to a caller are pings and nothing else. Source: docs.anthropic.com "Streaming", ping events."""
    return events.startswith(PING) and events.count(b"\n\n") == events.count(PING)
