"""A call made ready for its route: shortened, slimmed, marked for the vendor's cache; what was changed is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.snapshot import Model
from ninefold.ports.router import Plan
from ninefold.wire.prompts.cache_marks import marked
from ninefold.wire.prompts.shorten import SUMMARISE, shorten, with_summary
from ninefold.wire.prompts.slim import slim

# A text in the words of a few sentences: (model, text) -> summary.
Summarise = Callable[[str, str], Awaitable[str]]
_encode = msgspec.json.Encoder().encode
_ANSWER_SHARE = 4  # where no output limit is known a quarter of the context is kept for the answer


class Changes(msgspec.Struct, omit_defaults=True):
    """What was done to a request before it was sent; stands in its records. `removed_turns` are places in the caller's own list."""

    truncated_by: str = ""
    removed_turns: tuple[int, ...] = ()
    removed_tokens: int = 0
    slimmed_from_bytes: int = 0
    slimmed_to_bytes: int = 0
    cache_marked: bool = False


def is_prepared(model: Model) -> bool:
    """Whether calls of `model` may need to be made ready at all."""
    return model.slim_prompts or model.prompt_cache or model.truncation.strategy != "refuse"


async def prepare(call: ModelCall, plan: Plan, summarise: Summarise) -> tuple[ModelCall, Changes]:
    """The call that is sent, and what is different about it. Raises: ContextTooLong; InvalidRequest; whatever the summary ends in."""
    changes = Changes()
    if call.operation is not Operation.CHAT:
        return call, changes
    if plan.model.slim_prompts:
        slimmed = slim(call)
        if slimmed.after_bytes < slimmed.before_bytes:
            call = slimmed.call
            changes.slimmed_from_bytes, changes.slimmed_to_bytes = slimmed.before_bytes, slimmed.after_bytes
    if plan.edit is not None:
        room = plan.edit.context_tokens - _answer_tokens(call, plan, plan.edit.context_tokens)
        cut = shorten(call, plan.edit.strategy, room)
        call = cut.call
        changes.truncated_by, changes.removed_turns, changes.removed_tokens = cut.strategy, cut.removed, cut.removed_tokens
        if cut.strategy == SUMMARISE and cut.removed and plan.edit.summarise_with is not None:
            call = with_summary(cut, await summarise(plan.edit.summarise_with, cut.text))
    if plan.model.prompt_cache:
        with_marks = marked(call)
        changes.cache_marked = with_marks is not call
        call = with_marks
    return call, changes


def told(changes: Changes) -> str:
    """`changes` as a member of a route."""
    return ',"changes":' + _encode(changes).decode()


def _answer_tokens(call: ModelCall, plan: Plan, context_tokens: int) -> int:
    if call.max_output_tokens is not None:
        return call.max_output_tokens
    return min(max(each.max_output_tokens for each in plan.deployments), context_tokens // _ANSWER_SHARE)
