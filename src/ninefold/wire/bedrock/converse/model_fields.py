"""What only some families of models take: how much to think, and `top_k`.

Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html; API_runtime_OutputConfig.html for the effort.
"""

from __future__ import annotations

from ninefold.domain.chat import ChatRequest, ReasoningEffort
from ninefold.domain.errors import Unsupported
from ninefold.wire.anthropic.messages import thinking
from ninefold.wire.bedrock.model_family import Family

_GPT_OSS_LEVELS = {"low", "medium", "high"}
_NOVA_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def write(request: ChatRequest, kind: Family, *, model: str, max_output_tokens: int | None) -> tuple[dict[str, object], str | None]:
    """`additionalModelRequestFields` and the effort in `outputConfig`, None where nothing is to be said. Raises: Unsupported."""
    fields: dict[str, object] = {}
    top_k = request.sampling.top_k
    if top_k is not None:
        if kind is Family.CLAUDE:
            fields["top_k"] = top_k
        elif kind is Family.NOVA:
            fields["inferenceConfig"] = {"topK": top_k}
        else:
            raise Unsupported(f"{model} does not sample by `top_k`.", param="top_k")
    if request.reasoning is None:
        return fields, None
    if kind is Family.CLAUDE:
        thought, effort = thinking.write(request.reasoning, model=model, max_output_tokens=max_output_tokens)
        if thought is not None:
            fields["thinking"] = thought
        return fields, effort
    fields.update(_reasoning(request.reasoning, kind, model))
    return fields, None


def _reasoning(effort: ReasoningEffort, kind: Family, model: str) -> dict[str, object]:
    if effort.disabled and kind is not Family.GPT_OSS:
        return {}  # these think only where they are asked to
    if effort.budget_tokens is None and kind is Family.GPT_OSS and effort.level in _GPT_OSS_LEVELS:
        return {"reasoning_effort": effort.level}
    if effort.budget_tokens is None and kind is Family.NOVA and "nova-2" in model and effort.level in _NOVA_LEVELS:
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": _NOVA_LEVELS[effort.level]}}
    raise Unsupported(f"{model} cannot be told to reason like this; leave it out.", param="reasoning_effort")
