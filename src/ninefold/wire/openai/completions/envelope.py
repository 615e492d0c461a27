"""What admission needs to know of a legacy completions request; the rest of it is not looked at."""

from __future__ import annotations

import msgspec

from ninefold.domain.call import LOGPROBS, NO_NEEDS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest
from ninefold.wire import json_members
from ninefold.wire.token_count import MOST_TOKENS

# Source: platform.openai.com/docs/api-reference/completions/create, `max_tokens`.
DEFAULT_MAX_TOKENS = 16
_MOST_CHOICES = 128


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Envelope(msgspec.Struct):
    model: str
    prompt: str | list[str | int | list[int]]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    logprobs: int | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def read(body: bytes) -> ModelCall:
    """The call in `body`. Every prompt of a list is answered `best_of` or `n` times. Raises: InvalidRequest naming the field."""
    found = json_members.read(_decoder, body)
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    prompts = 1 if isinstance(found.prompt, str) or not found.prompt or isinstance(found.prompt[0], int) else len(found.prompt)
    each = max(found.n or 1, found.best_of or 1)
    if found.n is not None and found.n < 1:
        raise InvalidRequest("At least one choice has to be asked for.", param="n")
    if prompts * each > _MOST_CHOICES:
        name = "n" if prompts <= _MOST_CHOICES else "prompt"
        raise InvalidRequest(f"At most {_MOST_CHOICES} choices can be asked for, over all prompts.", param=name)
    cap = DEFAULT_MAX_TOKENS if found.max_tokens is None else found.max_tokens
    # With `echo` a cap of 0 asks for the likelihood of the prompt alone.
    if not 0 <= cap <= MOST_TOKENS:
        raise InvalidRequest(f"The output limit must be between 0 and {MOST_TOKENS}.", param="max_tokens")
    options = found.stream_options
    return ModelCall(
        operation=Operation.CHAT,
        wire=Wire.OPENAI_COMPLETIONS,
        model=found.model,
        body=body,
        stream=found.stream is True,
        include_usage=options is not None and options.include_usage is True,
        max_output_tokens=cap,
        choices=prompts * each,
        input_tokens_bound=len(body) * each,
        needs=NO_NEEDS if found.logprobs is None else NO_NEEDS | {LOGPROBS},
    )
