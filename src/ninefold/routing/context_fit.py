"""Whether a conversation and its answer fit into a deployment's context."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Deployment
from ninefold.wire.dialects.surfaces import estimate_input

_BIG = sys.maxsize
# Where the caller sets no cap the deployment's own is injected; of a small context it may take a quarter.
_ANSWER_SHARE = 4


def answer_tokens(deployment: Deployment, context_tokens: int, asked: int | None) -> int:
    """What has to be kept free for the answer."""
    return asked if asked is not None else min(deployment.max_output_tokens, context_tokens // _ANSWER_SHARE)


def certain_tokens(deployments: Iterable[Deployment]) -> int:
    """Input and asked-for output up to which a call fits into every one of `deployments` without a closer look."""
    rooms = [context - answer_tokens(each, context, None) for each in deployments if (context := each.abilities.context_tokens) is not None]
    return min(rooms, default=_BIG)


def too_small(deployments: Iterable[Deployment], call: ModelCall) -> dict[str, str]:
    """Those that have no room for `call`, each with the reason. The upper bound of its input is enough for most; only where that is
    above a context the conversation is read and estimated. What only its vendor can read is left to that vendor's own judgement."""
    found: dict[str, str] = {}
    estimated: int | None = None
    for each in deployments:
        context = each.abilities.context_tokens
        if context is None:
            continue
        room = context - answer_tokens(each, context, call.max_output_tokens)
        if call.input_tokens_bound <= room:
            continue
        if estimated is None:
            estimated = _estimate(call)
        if estimated > room:
            wanted = f"about {estimated} tokens of input" + (f" and {call.max_output_tokens} of output" if call.max_output_tokens else "")
            found[each.name] = f"has a context of {context} tokens, too small for {wanted}"
    return found


def _estimate(call: ModelCall) -> int:
    try:
        return min(estimate_input(call), call.input_tokens_bound)
    except NinefoldError:
        return 0
