"""How much a model is to think: `thinking` and `output_config.effort`."""

from __future__ import annotations

import re

from ninefold.domain.chat import ReasoningEffort
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.json_object import Extra, JsonObject

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
# Models older than adaptive thinking are told a number of tokens; these are the steps of Anthropic's own guide, from its minimum up.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
_LEAST_BUDGET = 1024
# Source: docs.anthropic.com "Adaptive thinking": Opus 4.6, Sonnet 4.6 and everything after them.
_MANUAL = re.compile(r"claude-(3|(opus|sonnet|haiku)-4(-[0-5])?(-\d{8}.*|@.*|-v\d.*|-latest)?$)")


def read(request: JsonObject, config: JsonObject | None, extra: Extra) -> ReasoningEffort | None:
    """What was asked, None where nothing was. Adaptive thinking without an effort is an effort of no level."""
    level = config.text("effort") if config is not None else None
    thinking = request.object("thinking")
    if thinking is None:
        return None if level is None else ReasoningEffort(level=level)
    kind = thinking.need_text("type")
    if kind == "enabled":
        budget = thinking.integer("budget_tokens", least=0)
        if budget is None:
            raise InvalidRequest("`thinking.budget_tokens` is missing.", param="thinking.budget_tokens")
        effort = ReasoningEffort(level=level, budget_tokens=budget)
    elif kind == "adaptive":
        effort = ReasoningEffort(level=level)
    elif kind == "disabled":
        effort = ReasoningEffort(level=level, disabled=True)
    else:
        thinking.whole(extra)
        return None if level is None else ReasoningEffort(level=level)
    thinking.left(extra)
    return effort


def write(effort: ReasoningEffort | None, *, model: str, max_output_tokens: int | None) -> tuple[dict[str, object] | None, str | None]:
    """`thinking` and the effort word, each None where nothing is to be said.

    A level is a number of tokens for models that know no effort; it has to leave room below `max_output_tokens`.
    Raises: Unsupported naming `reasoning_effort`.
    """
    if effort is None:
        return None, None
    if effort.disabled:
        return {"type": "disabled"}, None
    if effort.budget_tokens is not None:
        return {"type": "enabled", "budget_tokens": effort.budget_tokens}, effort.level
    if effort.level is not None and effort.level not in _EFFORTS:
        raise Unsupported(f"Anthropic has no reasoning effort {effort.level[:40]!r}.", param="reasoning_effort")
    if not _MANUAL.search(model):
        return {"type": "adaptive"}, None if effort.level is None else _EFFORTS[effort.level]
    budget = _BUDGETS[effort.level or "medium"]
    if max_output_tokens is not None and budget >= max_output_tokens:
        budget = max_output_tokens - 1
    if budget < _LEAST_BUDGET:
        raise Unsupported(
            f"{model} needs more than {_LEAST_BUDGET} output tokens to reason; raise the cap or leave the effort out.",
            param="reasoning_effort",
        )
    return {"type": "enabled", "budget_tokens": budget}, None
