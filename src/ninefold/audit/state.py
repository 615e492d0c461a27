"""What the sequencer must remember to go on: it moves together with the leaves."""

from __future__ import annotations

import msgspec


class Epoch(msgspec.Struct):
    """How far one epoch's journal is sequenced: the place, and the number of the last record there.

    `undone` are the requests that were decided and have not ended, with their decisions. An epoch is not `whole` where its first
    segments were gone when the log began: its numbers count from what was left.
    """

    worker: str
    epoch: int
    segment: int
    offset: int = 0
    sequence: int = 0
    whole: bool = True
    undone: dict[str, list[str]] = {}


class State(msgspec.Struct):
    """`acts` is the last administrative act. `counts` are the leaves of each kind, and `requests` those that were held or refused.

    `gaps` says what does not add up, by what it is about.
    """

    epochs: list[Epoch] = []
    acts: int = 0
    counts: dict[str, int] = {}
    gaps: dict[str, str] = {}


def load_state(data: bytes) -> State:
    """The state that `save_state` wrote; a new one for no bytes."""
    return msgspec.json.decode(data, type=State) if data else State()


def save_state(state: State) -> bytes:
    """The state as bytes."""
    return msgspec.json.encode(state)
