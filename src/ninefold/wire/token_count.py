"""A number of tokens as every protocol writes it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

# What is beyond any model: with 128 choices at $1,000 a million tokens, money still fits into 64 bits of nano-dollars.
MOST_TOKENS: Final = 2**31 - 1
TokenCount = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
