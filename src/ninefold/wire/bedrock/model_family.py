"""What the families of models behind Converse differ in.

Source: docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html, prompt-caching.html and
model-parameters.html.
"""

from __future__ import annotations

from enum import Enum


class Family(Enum):
    """Whose model it is, as far as Converse has special places for it."""

    CLAUDE = "claude"
    NOVA = "nova"
    GPT_OSS = "gpt_oss"
    OTHER = "other"


def family(model: str) -> Family:
    """The family of a model id, an inference profile or an ARN that names one."""
    if "anthropic." in model or "claude" in model:
        return Family.CLAUDE
    if "amazon.nova" in model:
        return Family.NOVA
    if "openai.gpt" in model:
        return Family.GPT_OSS
    return Family.OTHER
