"""What another vendor's reasoning needs to be verified when it comes back, as `encrypted_content`.

OpenAI's own reasoning is encrypted by OpenAI and means nothing elsewhere. That of others is kept in the same member, marked as ours:
a signature beside the text it signs, or a block that its vendor encrypted.
"""

from __future__ import annotations

from ninefold.domain.chat import Reasoning

_SIGNATURE, _REDACTED = "nf1.signature.", "nf1.redacted."


def seal(signature: str | None, redacted: str | None) -> str | None:
    """The `encrypted_content`, None where there is nothing to keep."""
    if redacted is not None:
        return _REDACTED + redacted
    return None if signature is None else _SIGNATURE + signature


def is_ours(content: str) -> bool:
    """Whether `seal` made it."""
    return content.startswith((_SIGNATURE, _REDACTED))


def unseal(text: str, content: str) -> Reasoning:
    """The reasoning whose visible text is `text`; `content` is ours."""
    if content.startswith(_REDACTED):
        return Reasoning(redacted=content.removeprefix(_REDACTED))
    return Reasoning(text=text, signature=content.removeprefix(_SIGNATURE))
