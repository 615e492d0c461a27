"""How the gateway asks whether a call may be made."""

from __future__ import annotations

from typing import Protocol

from ninefold.domain.call import ModelCall
from ninefold.domain.decision import Decision
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Snapshot


class PolicyDecider(Protocol):
    """Judges one call.

    Laws (tests/contracts/test_policy_decider.py): the same call under the same snapshot gets the same verdict; a denial carries every
    rule that denied; an unknown tenant is denied.
    On failure: closed.
    """

    def decide(self, snapshot: Snapshot, who: Principal, call: ModelCall, decision_id: str) -> Decision:
        """The decision, allowed or not; never raises for a denial."""
        ...
