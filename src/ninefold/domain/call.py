"""One call of a model as the spine sees it: what admission needs to know, and the caller's own bytes for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """What is asked of a model."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    COUNT_TOKENS = "count_tokens"
    RERANK = "rerank"
    MODERATIONS = "moderations"
    IMAGES = "images"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    PASSTHROUGH = "passthrough"


# What has no output that is counted in tokens.
SAYS_NOTHING = frozenset({Operation.EMBEDDINGS, Operation.COUNT_TOKENS, Operation.RERANK, Operation.MODERATIONS})


class Wire(StrEnum):
    """Whose protocol a body is written in; OPENAI is chat completions and the other JSON endpoints that stand beside it."""

    OPENAI = "openai"
    OPENAI_RESPONSES = "openai_responses"
    OPENAI_COMPLETIONS = "openai_completions"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


# What a request needs of a deployment; a deployment that says it lacks one is no candidate.
TOOLS, IMAGES, FILES, JSON_SCHEMA, REASONING, LOGPROBS, AUDIO = "tools", "images", "files", "json_schema", "reasoning", "logprobs", "audio"
CAPABILITIES = (TOOLS, IMAGES, FILES, JSON_SCHEMA, REASONING, LOGPROBS, AUDIO)
NO_NEEDS: frozenset[str] = frozenset()


# Not frozen: building a frozen dataclass of this size costs 2 µs more on the path of every request. Nobody writes to it after the
# surface has made it.
@dataclass(slots=True, kw_only=True)
class ModelCall:
    """A request for a model, decoded as far as admission and routing need.

    `body` is the caller's JSON; a deployment that speaks the same `wire` gets it with a few members replaced, any other gets a
    translation. `input_tokens_bound` can never be less than what a vendor bills as input; `max_output_tokens` is None where the
    caller set no cap, and `choices` multiplies it. `attribution` is the request's own (headers, metadata), already checked;
    `received_at` is in seconds since the epoch, `traceparent` what upstreams are told.

    `needs` are the capabilities (`CAPABILITIES`) without which a deployment cannot answer; `task_class`, `priority` (high, normal, low),
    `regions` (empty: anywhere) and `idempotency_key` are the caller's own words; `fresh` asks for an answer that no cache holds, and
    without `keep` none is to hold it.
    `method`, `path` and `content_type` matter where bytes are passed on to a vendor's own endpoint.
    """

    operation: Operation
    wire: Wire
    model: str
    body: bytes
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    input_tokens_bound: int = 0
    has_tools: bool = False
    attribution: tuple[tuple[str, str], ...] = ()
    received_at: float = 0.0
    traceparent: str = ""
    forward_headers: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    needs: frozenset[str] = NO_NEEDS
    task_class: str = ""
    priority: str = ""
    regions: tuple[str, ...] = ()
    idempotency_key: str = ""
    fresh: bool = False
    keep: bool = True
    method: str = "POST"
    path: str = ""
    content_type: str = "application/json"
