"""The one table from errors to statuses, and their renderings in each caller's own envelope."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ninefold.domain import errors
from ninefold.domain.errors import NinefoldError
from ninefold.wire import caller_fields
from ninefold.wire.anthropic import errors as anthropic
from ninefold.wire.gemini import errors as gemini
from ninefold.wire.gemini.generate import fields
from ninefold.wire.json_members import encode
from ninefold.wire.openai import errors as openai
from ninefold.wire.sse import event


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one class of error is told: its status, and the type names of the two vendors' envelopes."""

    status: int
    openai_type: str
    anthropic_type: str


# Walked by the error's class hierarchy, most specific first; `docs/reference/errors.md` is made from this table.
TABLE: dict[type[NinefoldError], Row] = {
    errors.InvalidRequest: Row(status=400, openai_type="invalid_request_error", anthropic_type="invalid_request_error"),
    errors.Unauthenticated: Row(status=401, openai_type="authentication_error", anthropic_type="authentication_error"),
    errors.PolicyDenied: Row(status=403, openai_type="permission_error", anthropic_type="permission_error"),
    errors.NotFound: Row(status=404, openai_type="invalid_request_error", anthropic_type="not_found_error"),
    errors.Conflict: Row(status=409, openai_type="invalid_request_error", anthropic_type="invalid_request_error"),
    errors.TooLarge: Row(status=413, openai_type="invalid_request_error", anthropic_type="request_too_large"),
    errors.RateLimited: Row(status=429, openai_type="rate_limit_error", anthropic_type="rate_limit_error"),
    errors.BudgetExceeded: Row(status=429, openai_type="insufficient_quota", anthropic_type="rate_limit_error"),
    errors.UpstreamRejected: Row(status=502, openai_type="server_error", anthropic_type="api_error"),
    errors.Unavailable: Row(status=503, openai_type="server_error", anthropic_type="overloaded_error"),
    errors.DeadlineExceeded: Row(status=504, openai_type="server_error", anthropic_type="api_error"),
    NinefoldError: Row(status=500, openai_type="server_error", anthropic_type="api_error"),
}


def row(error: NinefoldError) -> Row:
    """The row of the nearest class."""
    for kind in type(error).__mro__:
        found = TABLE.get(kind)
        if found is not None:
            return found
    raise AssertionError("NinefoldError itself is in the table")


def headers(error: NinefoldError) -> bytes:
    """`Retry-After` where a retry makes sense, and a word to clients that would otherwise repeat a final refusal three times."""
    lines = b""
    if error.retry_after_s is not None:
        lines += b"retry-after: %d\r\n" % max(math.ceil(error.retry_after_s), 1)
    if not error.retryable:
        lines += b"x-should-retry: false\r\n"
    return lines


def openai_body(error: NinefoldError, request_id: str = "") -> bytes:
    """The OpenAI envelope, which has no place for the request's id."""
    del request_id
    return openai.encode(_said(error), type=row(error).openai_type, code=error.code, param=error.param, more=_partial(error))


def responses_body(error: NinefoldError, request_id: str = "") -> bytes:
    """The OpenAI envelope for a caller of the Responses API: the field is named as its callers name it."""
    del request_id
    param = caller_fields.named(error.param, caller_fields.RESPONSES)
    return openai.encode(_said(error), type=row(error).openai_type, code=error.code, param=param, more=_partial(error))


def anthropic_body(error: NinefoldError, request_id: str) -> bytes:
    """The Anthropic envelope, which has no place for a field: the message begins with it, as the vendor's own do."""
    said, field = _said(error), error.param
    if isinstance(error, errors.Unsupported):
        field = caller_fields.named(field, caller_fields.ANTHROPIC)
    if field and field not in said:
        said = f"{field}: {said}"
    return anthropic.encode(said, type=row(error).anthropic_type, request_id=request_id, more=_partial(error))


def gemini_body(error: NinefoldError, request_id: str = "") -> bytes:
    """Google's envelope, which has no place for the request's id; the field is named as its callers name it."""
    del request_id
    return gemini.encode(
        _said(error),
        code=row(error).status,
        reason=error.code,
        param=fields.named(error.param),
        retry_after_s=error.retry_after_s,
        more=_partial(error),
    )


def problem_body(error: NinefoldError, trace_id: str) -> bytes:
    """RFC 9457 problem details."""
    problem: dict[str, object] = {
        "type": f"https://ninefold.dev/errors/{error.code}",
        "title": error.title,
        "status": row(error).status,
        "detail": _said(error),
        "code": error.code,
        "trace_id": trace_id,
    }
    if error.param is not None:
        problem["param"] = error.param
    return encode(problem)


def openai_event(error: NinefoldError) -> bytes:
    """The error inside a stream for an OpenAI client."""
    return openai.encode_event(_said(error), type=row(error).openai_type, code=error.code, param=error.param, more=_partial(error))


def responses_event(error: NinefoldError, number: int) -> bytes:
    """The error as the event of this number inside a stream of the Responses API.

    Source: its reference has the members side by side, its servers send them inside `error`; clients read the one or the other.
    """
    said = {"code": error.code, "message": _said(error), "param": error.param, **_partial(error)}
    nested = {"type": row(error).openai_type} | said
    return event(encode({"type": "error", "sequence_number": number} | said | {"error": nested}), "error")


def anthropic_event(error: NinefoldError) -> bytes:
    """The error inside a stream for an Anthropic client."""
    return anthropic.encode_event(_said(error), type=row(error).anthropic_type, more=_partial(error))


def _partial(error: NinefoldError) -> dict[str, object]:
    """Members that tell of an answer which had begun: that it is partial, its text where the caller has not had it, and its usage."""
    partial = error.partial
    if partial is None:
        return {}
    usage = partial.usage
    told: dict[str, object] = {
        "partial": True,
        "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "estimated": usage.estimated},
    }
    return told if partial.text is None else {**told, "partial_text": partial.text}


def gemini_event(error: NinefoldError) -> bytes:
    """The error inside a stream for a Gemini client."""
    return event(gemini_body(error))


def _said(error: NinefoldError) -> str:
    return error.detail if row(error).status != 500 else "Something went wrong on our side; the trace id finds it in the logs."
