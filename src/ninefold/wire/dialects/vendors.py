"""Every vendor, a row each: the configuration, the compiler and the wiring read this table and know no vendor by name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ninefold.wire.dialects.anthropic import AnthropicDialect
from ninefold.wire.dialects.azure import AzureDialect
from ninefold.wire.dialects.bedrock import CREDENTIALS, BedrockDialect
from ninefold.wire.dialects.dialect import Dialect
from ninefold.wire.dialects.gemini import GeminiDialect
from ninefold.wire.dialects.openai import OpenAiDialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What there is to know of a vendor besides its protocol.

    `operations` is what a deployment can answer where it does not say so itself. `public_url` is None where every customer has an
    address of their own; `{region}` in it is the deployment's region. `cache_shares` are the shares of the input price for cache reads
    and for cache writes, where no price says otherwise. `credentials` are the names of the secrets it takes besides an API key.
    """

    dialect: Dialect
    operations: tuple[str, ...]
    public_url: str | None = None
    cache_shares: tuple[Decimal, Decimal] = (Decimal(1), Decimal(1))
    credentials: tuple[str, ...] = ()


# What OpenAI-speaking deployments can do where they do not say so. `responses` stands here for nobody: most servers that speak chat
# completions do not speak it, and one that does lists it.
_OPENAI = ("chat", "embeddings", "count_tokens", "rerank", "moderations", "images", "transcription", "speech")

VENDORS: dict[str, Vendor] = {
    "openai": Vendor(dialect=OpenAiDialect(), operations=_OPENAI, public_url="https://api.openai.com/v1"),
    # Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing (five-minute writes).
    "anthropic": Vendor(
        dialect=AnthropicDialect(),
        operations=("chat", "count_tokens"),
        public_url="https://api.anthropic.com",
        cache_shares=(Decimal("0.1"), Decimal("1.25")),
    ),
    "azure": Vendor(dialect=AzureDialect(), operations=_OPENAI),
    # Source: docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html and aws.amazon.com/bedrock/pricing (Claude's shares).
    "bedrock": Vendor(
        dialect=BedrockDialect(),
        operations=("chat", "embeddings", "count_tokens"),
        public_url="https://bedrock-runtime.{region}.amazonaws.com",
        cache_shares=(Decimal("0.1"), Decimal("1.25")),
        credentials=CREDENTIALS,
    ),
    # Source: ai.google.dev/gemini-api/docs/pricing: reads from a cache cost a tenth of the input price from Gemini 2.5 on; what is written
    # there without being asked for costs nothing more.
    "gemini": Vendor(
        dialect=GeminiDialect(),
        operations=("chat", "embeddings", "count_tokens"),
        public_url="https://generativelanguage.googleapis.com",
        cache_shares=(Decimal("0.1"), Decimal(1)),
    ),
    # Both are served by our own worker, which speaks OpenAI's protocol.
    "local": Vendor(dialect=OpenAiDialect(), operations=("chat", "count_tokens")),
    "rules": Vendor(dialect=OpenAiDialect(), operations=("chat",)),
}
