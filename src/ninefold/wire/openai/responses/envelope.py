"""What admission needs to know of a Responses request; the rest of it is not looked at."""

from __future__ import annotations

import msgspec

from ninefold.domain.call import FILES, IMAGES, JSON_SCHEMA, LOGPROBS, NO_NEEDS, REASONING, TOOLS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire import attribution, json_members
from ninefold.wire.json_members import ABSENT, is_given
from ninefold.wire.openai.chat.envelope import FILE_TOKENS, IMAGE_TOKENS
from ninefold.wire.openai.responses.ids import OURS
from ninefold.wire.token_count import MOST_TOKENS

# What a vendor adds from its own side (a conversation it keeps, a template, the findings of its own tools) is in no byte of the request;
# the largest context window there is bounds it.
_CONTEXT_TOKENS = 1_100_000


class _Tool(msgspec.Struct):
    type: str = ""


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Envelope(msgspec.Struct):
    model: str
    input: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    conversation: msgspec.Raw = ABSENT
    previous_response_id: str | None = None
    stream: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    top_logprobs: int | None = None
    reasoning: _Reasoning | None = None
    tools: list[_Tool] | None = None
    metadata: msgspec.Raw = ABSENT


_decoder = msgspec.json.Decoder(_Envelope)


def read(body: bytes) -> ModelCall:
    """The call in `body`. Raises: InvalidRequest naming the field; Unsupported for what has to outlive its request."""
    found = json_members.read(_decoder, body)
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    if not (is_given(found.input) or is_given(found.prompt) or found.previous_response_id):
        raise InvalidRequest("`input` is missing.", param="input")
    if found.background:
        raise Unsupported("Answers are not made in the background here: leave `background` out, or use a batch.", param="background")
    cap = found.max_output_tokens
    if cap is not None and not 1 <= cap <= MOST_TOKENS:
        raise InvalidRequest(f"The output limit must be between 1 and {MOST_TOKENS}.", param="max_output_tokens")
    given = is_given(found.metadata)
    return ModelCall(
        operation=Operation.CHAT,
        wire=Wire.OPENAI_RESPONSES,
        model=found.model,
        body=body,
        stream=found.stream is True,
        include_usage=True,
        max_output_tokens=cap,
        input_tokens_bound=_bound(body, found),
        has_tools=bool(found.tools),
        attribution=attribution.read(found.metadata) if given else (),
        needs=_needs(body, found),
        task_class=attribution.task_class(found.metadata) if given else "",
    )


def _bound(body: bytes, found: _Envelope) -> int:
    bound = len(body)  # no tokeniser makes more tokens than bytes
    bound += body.count(b'"input_image"') * IMAGE_TOKENS + body.count(b'"input_file"') * FILE_TOKENS
    kept_there = found.previous_response_id is not None and not found.previous_response_id.startswith(OURS)
    theirs = kept_there or is_given(found.prompt) or is_given(found.conversation) or body.find(b'"item_reference"') >= 0
    if theirs or any(tool.type not in {"function", "custom"} for tool in found.tools or ()):
        bound += _CONTEXT_TOKENS
    return bound


def _needs(body: bytes, found: _Envelope) -> frozenset[str]:
    needs = NO_NEEDS
    if found.tools:
        needs |= {TOOLS}
    if body.find(b'"input_image"') >= 0:
        needs |= {IMAGES}
    if body.find(b'"input_file"') >= 0:
        needs |= {FILES}
    if body.find(b'"json_schema"') >= 0:
        needs |= {JSON_SCHEMA}
    if found.top_logprobs:
        needs |= {LOGPROBS}
    if found.reasoning is not None and found.reasoning.effort not in {None, "none"}:
        needs |= {REASONING}
    return needs
