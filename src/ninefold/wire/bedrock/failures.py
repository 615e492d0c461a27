"""What Bedrock's exceptions mean to us, as a status or inside a stream.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and API_runtime_ConverseStream.html, errors.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ninefold.domain.errors import ContextTooLong, DeadlineExceeded, NinefoldError, RateLimited, Unavailable, UpstreamRejected
from ninefold.wire.retry_after import retry_after
from ninefold.wire.status_meaning import meaning

# What a 400 says about the deployment's model or account, not about the caller's request.
_OURS = ("model identifier is invalid", "on-demand throughput", "marketplace", "legacy", "end of its life")

# Bedrock's own words, and those it passes on from the model.
_TOO_LONG = ("input is too long", "prompt is too long", "too many input tokens", "maximum context length")


class _Message(msgspec.Struct):
    message: str = ""
    upper: str = msgspec.field(default="", name="Message")


_decoder = msgspec.json.Decoder(_Message)


def failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
    """The error, and whether another deployment might do better."""
    kind = headers.get(b"x-amzn-errortype", b"").partition(b":")[0].decode("latin-1").rpartition("#")[2]
    said = _said(body)
    if kind == "ServiceQuotaExceededException":
        return RateLimited("The upstream account's quota is used up.", retry_after_s=retry_after(headers)), True
    if status == 424 or kind in {"ModelErrorException", "ModelStreamErrorException"}:
        return Unavailable("The upstream's model failed while it was answering."), True
    ours = kind not in {"", "ValidationException"} or any(words in said.lower() for words in _OURS)
    if status == 400 and ours:
        return UpstreamRejected(
            f"The upstream refused this gateway's request ({kind or 'status 400'}); its operator must look at it."
        ), True
    if status == 400 and any(words in said.lower() for words in _TOO_LONG):
        return ContextTooLong(f"The upstream says: {said}"), True
    return meaning(status, headers, said)


def event_error(kind: str, body: bytes) -> NinefoldError:
    """The error that arrived inside a stream that had begun with status 200."""
    word = kind[:1].lower() + kind[1:]
    if word in {"throttlingException", "modelNotReadyException"}:
        return RateLimited("The upstream's rate limit was reached in mid-stream.")
    if word == "validationException":
        return UpstreamRejected(f"The upstream says: {_said(body)}")
    if word == "modelTimeoutException":
        return DeadlineExceeded("The upstream's model took too long.")
    return Unavailable(f"The upstream sent an error in its stream ({kind[:60] or 'untyped'}).")


def _said(body: bytes) -> str:
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return found.message or found.upper
