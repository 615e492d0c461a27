"""Requests that begin alike have the same favourite, and no other's favourite moves when a deployment goes."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.snapshot import Abilities, Deployment, Model, Snapshot, Tenant
from ninefold.ports.router import Health
from ninefold.routing.affinity import with_favourite_first
from ninefold.routing.plan import StrategyRouter

FOUR = tuple(Deployment(name=name, provider="openai", base_url="http://h", model="m") for name in ("a", "b", "c", "d"))
TENANT = Tenant(name="acme")


def first(prefix: bytes, deployments: tuple[Deployment, ...] = FOUR, resting: frozenset[str] = frozenset()) -> str:
    return with_favourite_first(deployments, prefix, resting)[0].name


@given(st.binary(min_size=1, max_size=16), st.permutations(FOUR))
def test_the_order_of_the_route_does_not_matter_and_nobody_is_lost(prefix: bytes, shuffled: list[Deployment]):
    assert first(prefix, tuple(shuffled)) == first(prefix)
    assert set(with_favourite_first(shuffled, prefix, frozenset())) == set(FOUR)


@given(st.binary(min_size=1, max_size=16), st.sampled_from(["a", "b", "c", "d"]))
def test_only_the_prefixes_of_one_that_rests_move(prefix: bytes, gone: str):
    before, after = first(prefix), first(prefix, resting=frozenset({gone}))
    assert after != gone
    assert before in {gone, after}


def test_prefixes_spread_over_all():
    found = [first(number.to_bytes(2, "big")) for number in range(400)]
    assert all(60 <= found.count(name) <= 140 for name in "abcd")


def test_a_deployment_that_keeps_no_prompts_is_nobodys_favourite():
    forgetful = replace(FOUR[0], abilities=Abilities(caching=False))
    assert all(first(bytes([n]), (forgetful, *FOUR[1:])) != "a" for n in range(64))
    assert with_favourite_first((forgetful,), b"x", frozenset()) == [forgetful]


def test_a_plan_keeps_conversations_together_over_their_turns():
    model = Model(name="m", strategy="weighted", deployments=("a", "b", "c", "d"), weights=(1.0, 1.0, 1.0, 1.0), affinity=True)
    world = Snapshot(version=1, digest="", compiled_at=0.0, policy_version="p", deployments=FOUR, models=(model,))
    router = StrategyRouter(lambda: 1.0)

    def chosen(opening: str, more: int, draw: float) -> str:
        turns = [{"role": "user", "content": opening}, *({"role": "user", "content": f"turn {n}"} for n in range(more))]
        body = json.dumps({"messages": turns}).encode()
        call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=body)
        return router.plan(world, TENANT, call, Health(), draw).deployments[0].name

    for opening in ("one", "two", "three"):
        assert len({chosen(opening, more, draw) for more in range(5) for draw in (0.0, 0.3, 0.6, 0.9)}) == 1
    assert len({chosen(f"opening {n}", 0, 0.0) for n in range(40)}) == 4
