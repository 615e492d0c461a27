"""How much a model is to think: `thinkingConfig`.

Source: ai.google.dev/gemini-api/docs/thinking: levels from Gemini 3 on, a number of tokens before (0 is none, -1 as it sees fit).
"""

from __future__ import annotations

import re

from ninefold.domain.call import Wire
from ninefold.domain.chat import ReasoningEffort
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.json_object import Extra

_DYNAMIC = -1
_READ = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh"}
# Gemini's highest level is "high", which asks for all the depth there is.
_LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
# Source: ai.google.dev/gemini-api/docs/openai, "Thinking": the budgets that Google itself gives to OpenAI's words.
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_COUNTS_TOKENS = re.compile(r"gemini-(1|2)(\D|$)")
_FIELDS = {Wire.ANTHROPIC: "thinking"}


def read(config: CamelObject, extra: Extra) -> ReasoningEffort | None:
    """What was asked, None where nothing was. To see thoughts without saying how many is an effort of no level. Raises: InvalidRequest."""
    thinking = config.object("thinkingConfig")
    if thinking is None:
        return None
    shown = thinking.flag("includeThoughts") or False
    budget = thinking.whole_number("thinkingBudget", least=_DYNAMIC)
    word = thinking.text("thinkingLevel")
    thinking.left(extra)
    if word is not None and word.upper() not in {*_READ, "THINKING_LEVEL_UNSPECIFIED"}:
        raise InvalidRequest(f"`{thinking.at('thinkingLevel')}` has the unknown value {word[:40]!r}.", param=thinking.at("thinkingLevel"))
    level = _READ.get((word or "").upper())
    if budget == 0:
        return ReasoningEffort(disabled=True)
    if level is None and budget is None and not shown:
        return None
    return ReasoningEffort(level=level, budget_tokens=None if budget == _DYNAMIC else budget)


def write(effort: ReasoningEffort | None, *, model: str, wire: Wire) -> dict[str, object]:
    """`thinkingConfig`, with the thoughts shown where any were asked for. Raises: Unsupported."""
    if effort is None:
        return {}
    field = _FIELDS.get(wire, "reasoning_effort")
    by_tokens = _COUNTS_TOKENS.search(model) is not None
    if effort.disabled:
        if not by_tokens:
            raise Unsupported(f"{model} always reasons; ask for little effort instead.", param=field)
        return {"thinkingConfig": {"thinkingBudget": 0}}
    thinking: dict[str, object] = {"includeThoughts": True}
    if effort.budget_tokens is not None:
        thinking["thinkingBudget"] = effort.budget_tokens
    elif effort.level is None:
        if by_tokens:
            thinking["thinkingBudget"] = _DYNAMIC
    elif effort.level not in _LEVELS:
        raise Unsupported(f"Gemini has no reasoning effort {effort.level[:40]!r}.", param=field)
    elif by_tokens:
        thinking["thinkingBudget"] = _BUDGETS[effort.level]
    else:
        thinking["thinkingLevel"] = _LEVELS[effort.level]
    return {"thinkingConfig": thinking}
