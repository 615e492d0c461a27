"""What other vendors' requests call the fields of a Gemini caller."""

from __future__ import annotations

from ninefold.wire import caller_fields

_CONFIG = "generationConfig."
_FIELDS = {
    "n": _CONFIG + "candidateCount",
    "temperature": _CONFIG + "temperature",
    "top_p": _CONFIG + "topP",
    "top_k": _CONFIG + "topK",
    "stop": _CONFIG + "stopSequences",
    "seed": _CONFIG + "seed",
    "frequency_penalty": _CONFIG + "frequencyPenalty",
    "presence_penalty": _CONFIG + "presencePenalty",
    "max_tokens": _CONFIG + "maxOutputTokens",
    "max_completion_tokens": _CONFIG + "maxOutputTokens",
    "logprobs": _CONFIG + "responseLogprobs",
    "top_logprobs": _CONFIG + "logprobs",
    "reasoning_effort": _CONFIG + "thinkingConfig",
    "thinking": _CONFIG + "thinkingConfig",
    "output_config": _CONFIG + "responseJsonSchema",
    "response_format.type": _CONFIG + "responseMimeType",
    "response_format": _CONFIG + "responseJsonSchema",
    "messages": "contents",
    "system": "systemInstruction",
    "tool_choice": "toolConfig",
    "parallel_tool_calls": "toolConfig",
    "model": "model",
}


def named(param: str | None) -> str | None:
    """The caller's own word for `param`, by its longest beginning that is known; places inside a list are not told apart."""
    return caller_fields.named(param, _FIELDS)
