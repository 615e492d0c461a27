"""What admission needs to know of a chat completions request; the rest of it is not looked at."""

from __future__ import annotations

import msgspec

from ninefold.domain.call import AUDIO, FILES, IMAGES, JSON_SCHEMA, LOGPROBS, NO_NEEDS, REASONING, TOOLS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest
from ninefold.wire import attribution, json_members
from ninefold.wire.json_members import ABSENT, is_given
from ninefold.wire.token_count import MOST_TOKENS

# Tokens that one picture or file may cost beyond the bytes that name it, from above: a 2,048 by 2,048 picture at high detail is billed
# at up to 48,000 tokens by the smallest OpenAI models; a file of 100 pages at up to 200,000.
IMAGE_TOKENS = 50_000
FILE_TOKENS = 200_000


class _Message(msgspec.Struct):
    role: str


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Envelope(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    reasoning_effort: str | None = None
    tools: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT


_decoder = msgspec.json.Decoder(_Envelope)


def read(body: bytes) -> ModelCall:
    """The call in `body`. Raises: InvalidRequest naming the field."""
    found = json_members.read(_decoder, body)
    if not found.messages:
        raise InvalidRequest("At least one message is needed.", param="messages")
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    cap = found.max_completion_tokens
    if found.max_tokens is not None and (cap is None or found.max_tokens > cap):
        cap = found.max_tokens  # where both are given nobody knows which one the vendor heeds
    if cap is not None and cap < 1:
        name = "max_tokens" if found.max_completion_tokens is None else "max_completion_tokens"
        raise InvalidRequest("The output limit must be at least 1.", param=name)
    if cap is not None and cap > MOST_TOKENS:
        name = "max_tokens" if found.max_completion_tokens is None else "max_completion_tokens"
        raise InvalidRequest(f"The output limit must be at most {MOST_TOKENS}.", param=name)
    choices = 1 if found.n is None else found.n
    if not 1 <= choices <= 128:
        raise InvalidRequest("Between 1 and 128 choices can be asked for.", param="n")
    bound = len(body)  # no tokeniser makes more tokens than bytes
    needs = NO_NEEDS
    if body.find(b'"image_url"') >= 0:
        bound += body.count(b'"image_url"') * IMAGE_TOKENS
        needs |= {IMAGES}
    if body.find(b'"file"') >= 0:
        bound += body.count(b'"file"') * FILE_TOKENS
        needs |= {FILES}
    if body.find(b'"input_audio"') >= 0:
        needs |= {AUDIO}
    if body.find(b'"json_schema"') >= 0:
        needs |= {JSON_SCHEMA}
    if found.logprobs:
        needs |= {LOGPROBS}
    if found.reasoning_effort not in {None, "none"}:
        needs |= {REASONING}
    has_tools = found.tools is not ABSENT and is_given(found.tools)
    if has_tools:
        needs |= {TOOLS}
    has_metadata = found.metadata is not ABSENT and is_given(found.metadata)
    options = found.stream_options
    return ModelCall(
        operation=Operation.CHAT,
        wire=Wire.OPENAI,
        model=found.model,
        body=body,
        stream=found.stream is True,
        include_usage=options is not None and options.include_usage is True,
        max_output_tokens=cap,
        choices=choices,
        input_tokens_bound=bound,
        has_tools=has_tools,
        attribution=attribution.read(found.metadata) if has_metadata else (),
        needs=needs,
        task_class=attribution.task_class(found.metadata) if has_metadata else "",
    )
