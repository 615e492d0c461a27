"""What the spine is made of, and what it is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ninefold.domain.allowance import Holder
from ninefold.domain.call import ModelCall
from ninefold.domain.principal import Principal
from ninefold.gateway.dispatch import Dispatch
from ninefold.gateway.envelope import SchemaVerdict
from ninefold.gateway.shedding import Place
from ninefold.ports.answer_store import AnswerStore
from ninefold.ports.health_board import HealthBoard
from ninefold.ports.meter import Meter
from ninefold.ports.policy_decider import PolicyDecider
from ninefold.ports.recorder import Recorder, RequestFacts
from ninefold.ports.router import Router


@dataclass(slots=True, kw_only=True)
class Parts:
    """The planes and clocks that the spine calls; `draw` is uniform in [0, 1), `offered` reads the tools a call offers (name -> JSON
    Schema text), and `holder` is this worker's life, in whose name idempotency keys are claimed."""

    policy: PolicyDecider
    router: Router
    meter: Meter
    recorder: Recorder
    board: HealthBoard
    dispatch: Dispatch
    answers: AnswerStore
    holder: Holder
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    draw: Callable[[], float]
    offered: Callable[[ModelCall], Mapping[str, str]]
    verdict: SchemaVerdict


class Asked(msgspec.Struct):
    """One request as the surface hands it over; `place` is what it takes up in a worker whose load is bounded.

    `ready` is what is sent instead of `call` where that was shortened, slimmed or marked, and `changes` are the members of its route that
    tell how.
    """

    who: Principal
    call: ModelCall
    facts: RequestFacts
    decision_id: str
    began: float
    place: Place | None = None
    ready: ModelCall | None = None
    changes: str = ""
