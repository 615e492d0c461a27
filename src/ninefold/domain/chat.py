"""A conversation with a model in no vendor's words: what `wire` decodes to and encodes from.

JSON documents that we never look into (tool schemas, tool arguments) stay text, so that nothing is lost or reordered on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ninefold.domain.usage import NO_USAGE, Usage


class Role(StrEnum):
    """Who speaks in a turn; tool results are parts of a `TOOL` turn."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Plain text. `cache` marks the end of a prefix that the vendor is asked to cache, with an optional time to live ("5m", "1h")."""

    text: str
    cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture, by `url` or as base64 `data` of `media_type`; exactly one of the two."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file handed over with the question: plain `text`, base64 `data` of `media_type`, a `url`, or a vendor's `file_id`."""

    text: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    title: str | None = None
    context: str | None = None
    cite: bool = False
    cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """The model's own reasoning; `signature` lets its vendor verify it when it is sent back, `redacted` is reasoning it encrypted."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the model says instead of an answer it will not give."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call the model wants made; `arguments` is the JSON text as the model wrote it, valid or not."""

    call_id: str
    name: str
    arguments: str
    cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a call returned."""

    call_id: str
    parts: tuple[Text | Image | Document, ...]
    is_error: bool = False
    cache: str | None = None


Part = Text | Image | Document | Reasoning | Refusal | ToolCall | ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One speaker's contribution."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is its JSON Schema as text."""

    name: str
    parameters: str
    description: str | None = None
    strict: bool | None = None
    cache: str | None = None


class ToolMode(StrEnum):
    """How free the model is in calling tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """`name` goes with `NAMED` alone; `parallel` is None where the caller did not say."""

    mode: ToolMode = ToolMode.AUTO
    name: str | None = None
    parallel: bool | None = None


class OutputKind(StrEnum):
    """The shape asked of the answer."""

    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """`schema` is JSON Schema text and goes with `JSON_SCHEMA`."""

    kind: OutputKind = OutputKind.TEXT
    name: str | None = None
    schema: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningEffort:
    """How much the model should think: a named `level` (OpenAI's words), a `budget_tokens`, or explicitly not at all."""

    level: str | None = None
    budget_tokens: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is drawn; None means the vendor's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """Everything a caller asked of a chat model.

    `extra` holds members of the caller's JSON that this shape has no place for, as (name, JSON text): a target of another vendor
    cannot express them and its encoder must refuse them by name.
    """

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    output: OutputFormat = OutputFormat()
    sampling: Sampling = Sampling()
    reasoning: ReasoningEffort | None = None
    max_output_tokens: int | None = None
    choices: int = 1
    stream: bool = False
    include_usage: bool = False
    user: str | None = None
    extra: tuple[tuple[str, str], ...] = ()


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer. `stop_sequence` is the caller's own string that ended it, if one did."""

    parts: tuple[Text | Reasoning | Refusal | ToolCall, ...]
    finish: FinishReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """A whole answer. `created` is in seconds since the epoch, 0 where the vendor does not say."""

    result_id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage = NO_USAGE
    created: int = 0


# What a streamed answer is made of, in order: Opened, then deltas of parts (each part's deltas are contiguous within a choice, except
# tool calls, which may interleave by `index`), Finished per choice, and UsageReported once, last or beside the last Finished.


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The answer began; no content yet. `usage` is what the vendor already knows (Anthropic: the input side)."""

    result_id: str
    model: str
    usage: Usage = NO_USAGE
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More text."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """More reasoning, or its signature (which comes after the text it signs), or a redacted block whole."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalDelta:
    """More of a refusal."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallOpened:
    """A tool call began: `index` counts the calls of one choice from 0."""

    index: int
    call_id: str
    name: str
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """More of the JSON text of a call's arguments."""

    index: int
    arguments: str
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A choice ended."""

    reason: FinishReason
    stop_sequence: str | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """The vendor's count of the whole answer so far; the last one stands."""

    usage: Usage


Delta = Opened | TextDelta | ReasoningDelta | RefusalDelta | ToolCallOpened | ToolCallDelta | Finished | UsageReported
