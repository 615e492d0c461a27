"""What a vendor signed or encrypted of its model's reasoning, in Gemini's `thoughtSignature`, which is base64 of anything.

In the domain a signature of Gemini's own begins with `gemini-`, so that nobody sends it to another vendor's verifier or takes another
vendor's for Gemini's.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode

from ninefold.domain.chat import Reasoning

_OWN = "gemini-"
# The first bytes of a signature that is not Gemini's, and of another vendor's encrypted reasoning.
_FOREIGN = b"\x009f-signature:"
_SEALED = b"\x009f-redacted:"
# Gemini 3 refuses a call of the running turn without a signature; this one stands for calls that another model made.
# Source: ai.google.dev/gemini-api/docs/thought-signatures, FAQ "transferring history from a different model".
UNSIGNED = "skip_thought_signature_validator"
# How those that are not Gemini's begin in base64, whichever alphabet it is written in.
_FOREIGN_START = b'"ADlmLX'
_FOREIGN_MEMBER = re.compile(rb'("thought(?:Signature|_signature)"\s*:\s*)"ADlmLX(?:NpZ25hdHVyZT|JlZGFjdGVkO)[^"]*"')
_FROM_URL = str.maketrans("-_", "+/")


def read(value: str, text: str = "") -> Reasoning | None:
    """The reasoning that `value` signs; None where it says nothing."""
    if not value or value == UNSIGNED:
        return Reasoning(text=text) if text else None
    standard = value.translate(_FROM_URL)
    try:
        data = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        if data.startswith(_FOREIGN):
            return Reasoning(text=text, signature=data.removeprefix(_FOREIGN).decode())
        if data.startswith(_SEALED):
            return Reasoning(redacted=data.removeprefix(_SEALED).decode())
    except (binascii.Error, ValueError):
        pass  # no base64 at all: it is as opaque to us as the vendor's own
    return Reasoning(text=text, signature=_OWN + standard)


def write(reasoning: Reasoning) -> str | None:
    """The `thoughtSignature` that brings back signature or sealed text, None where there is neither."""
    if reasoning.redacted is not None:
        return b64encode(_SEALED + reasoning.redacted.encode()).decode()
    if reasoning.signature is None:
        return None
    return own(reasoning.signature) or b64encode(_FOREIGN + reasoning.signature.encode()).decode()


def own(signature: str | None) -> str | None:
    """The signature as Gemini wrote it; None for one that is not Gemini's."""
    return signature.removeprefix(_OWN) if signature is not None and signature.startswith(_OWN) else None


def of_call(value: str) -> str | None:
    """A call's signature in base64 as it is usually written; None where it says nothing."""
    return None if not value or value == UNSIGNED else value.translate(_FROM_URL)


def without_foreign(body: bytes) -> bytes:
    """A caller's own request without signatures that are not Gemini's, which it would refuse."""
    if body.find(_FOREIGN_START) < 0:
        return body
    return _FOREIGN_MEMBER.sub(rb'\1"' + UNSIGNED.encode() + b'"', body)
