"""Tokens as the vendor's protocols count them, in one shape."""

from __future__ import annotations

from dataclasses import dataclass


# Not frozen: building a frozen one costs twice as much, and one is built for every request; nobody writes to it.
@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Usage:
    """Tokens of one attempt.

    `input_tokens` counts every input token once: `cached_input_tokens` (read from the vendor's prompt cache) and `cache_write_tokens`
    are parts of it. `output_tokens` includes `reasoning_tokens`. `estimated` is true when the vendor reported nothing and the count
    is ours (a stream that was hung up, a vendor that sends no usage). `unmetered` is true where the vendor bills by something else
    (pictures, seconds, characters): a price of tokens says nothing then, and the line is unpriced.

    Source: OpenAI `usage` counts cached tokens inside `prompt_tokens`; Anthropic counts `cache_read_input_tokens` and
    `cache_creation_input_tokens` beside `input_tokens`, so its decoder adds them up.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    unmetered: bool = False


NO_USAGE = Usage()
