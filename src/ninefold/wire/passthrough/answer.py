"""What a vendor's own endpoint said, given on as it is."""

from __future__ import annotations

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.wire.passthrough.usage import usage_in

# A vendor that says so speaks of our account there, or of its own state, not of the caller's request.
_OURS = frozenset({401, 402, 407, 408, 429})
_WORDS = ("text/", "application/json", "application/x-ndjson", "application/xml")


def given_on(status: int) -> bool:
    """Whether the caller gets an answer of this status; otherwise another deployment is tried."""
    return 200 <= status < 300 or (400 <= status < 500 and status not in _OURS)


def whole(call: ModelCall, status: int, content_type: bytes, body: bytes) -> Whole:
    """The answer, untouched, with what it costs."""
    kind = content_type.decode("latin-1") or "application/octet-stream"
    return Whole(body=Splice(before=body, after=b"", sealed=True), usage=_usage(call, status, kind, body), content_type=kind, status=status)


def _usage(call: ModelCall, status: int, kind: str, body: bytes) -> Usage:
    if status >= 400:
        return NO_USAGE
    found = usage_in(body) if body else None
    if found is not None:
        return found
    if not call.body:
        return Usage(estimated=True)  # nothing was given to a model: a list, a file, a state
    words = kind.lower().startswith(_WORDS)
    return Usage(input_tokens=_tokens(call.body), output_tokens=_tokens(body) if words else 0, estimated=True, unmetered=not words)


def _tokens(text: bytes) -> int:
    return (len(text) + 3) // 4
