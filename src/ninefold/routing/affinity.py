"""Requests that begin alike go to the same deployment, so that the prompt its vendor keeps is theirs."""

from __future__ import annotations

from collections.abc import Container, Sequence
from hashlib import blake2b

from ninefold.domain.snapshot import Deployment


def with_favourite_first(deployments: Sequence[Deployment], prefix: bytes, resting: Container[str]) -> list[Deployment]:
    """`deployments` with the favourite of `prefix` first, the others as they were; one in `resting`, or that keeps no prompts, is nobody's.

    A deployment that comes or goes changes the favourite of its own prefixes alone.
    Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998), rendezvous hashing.
    """
    able = [each for each in deployments if each.name not in resting and each.abilities.caching]
    if not able:
        return list(deployments)
    favourite = max(able, key=lambda each: blake2b(each.name.encode(), key=prefix, digest_size=8).digest())
    return [favourite, *(each for each in deployments if each is not favourite)]
