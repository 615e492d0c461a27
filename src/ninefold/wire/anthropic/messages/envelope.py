"""What admission needs to know of a messages request; the rest of it is not looked at."""

from __future__ import annotations

import msgspec

from ninefold.domain.call import FILES, IMAGES, JSON_SCHEMA, NO_NEEDS, REASONING, TOOLS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest
from ninefold.wire import attribution, json_members
from ninefold.wire.json_members import ABSENT, is_given
from ninefold.wire.token_count import MOST_TOKENS

# Source: docs.anthropic.com/en/docs/build-with-claude/vision: a picture costs at most about 1,600 tokens after resizing, and newer
# models up to 4,784; a PDF up to 3,000 text tokens a page and 100 pages, each page also a picture.
IMAGE_TOKENS = 5_000
DOCUMENT_TOKENS = 800_000


class _Message(msgspec.Struct):
    role: str


class _Envelope(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    stream: bool | None = None
    tools: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT


_decoder = msgspec.json.Decoder(_Envelope)


def read(body: bytes, operation: Operation) -> ModelCall:
    """The call in `body`. Raises: InvalidRequest naming the field."""
    found = json_members.read(_decoder, body)
    if not found.messages:
        raise InvalidRequest("At least one message is needed.", param="messages")
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    if operation is Operation.CHAT:
        if found.max_tokens is None:
            raise InvalidRequest("max_tokens is required.", param="max_tokens")
        if not 1 <= found.max_tokens <= MOST_TOKENS:
            raise InvalidRequest(f"max_tokens must be from 1 to {MOST_TOKENS}.", param="max_tokens")
    bound = len(body) + 512  # no tokeniser makes more tokens than bytes; tools add a system prompt of at most about 500 tokens
    needs = NO_NEEDS
    if body.find(b'"image"') >= 0:
        bound += body.count(b'"image"') * IMAGE_TOKENS
        needs |= {IMAGES}
    if body.find(b'"document"') >= 0:
        bound += body.count(b'"document"') * DOCUMENT_TOKENS
        needs |= {FILES}
    if body.find(b'"json_schema"') >= 0:
        needs |= {JSON_SCHEMA}
    if body.find(b'"budget_tokens"') >= 0:
        needs |= {REASONING}
    has_tools = found.tools is not ABSENT and is_given(found.tools)
    if has_tools:
        needs |= {TOOLS}
    has_metadata = found.metadata is not ABSENT and is_given(found.metadata)
    return ModelCall(
        operation=operation,
        wire=Wire.ANTHROPIC,
        model=found.model,
        body=body,
        stream=found.stream is True and operation is Operation.CHAT,
        include_usage=True,
        max_output_tokens=found.max_tokens,
        input_tokens_bound=bound,
        has_tools=has_tools,
        attribution=attribution.read(found.metadata) if has_metadata else (),
        needs=needs,
        task_class=attribution.task_class(found.metadata) if has_metadata else "",
    )
