"""Google's errors, in both directions, and its list of models."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.errors import ContextTooLong, DeadlineExceeded, InvalidRequest, RateLimited, Unavailable, UpstreamRejected
from ninefold.wire.gemini import errors, models
from ninefold.wire.gemini.failures import failure


def body(code, status, message="no", *details) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


TOO_LONG = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
FIELD = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0]", "description": "no"}]}


@pytest.mark.parametrize(
    ("status", "said", "kind", "elsewhere"),
    [
        (400, body(400, "INVALID_ARGUMENT", "no", FIELD), InvalidRequest, False),
        (400, body(400, "INVALID_ARGUMENT", TOO_LONG), ContextTooLong, True),
        (400, body(400, "INVALID_ARGUMENT", "The input token count must be positive."), InvalidRequest, False),
        (400, body(400, "INVALID_ARGUMENT", "API key not valid.", BAD_KEY), UpstreamRejected, True),
        (400, body(400, "FAILED_PRECONDITION", "User location is not supported"), UpstreamRejected, True),
        (403, body(403, "PERMISSION_DENIED"), UpstreamRejected, True),
        (404, body(404, "NOT_FOUND"), UpstreamRejected, True),
        (429, body(429, "RESOURCE_EXHAUSTED", "no", RETRY), RateLimited, True),
        (500, b"<html>", Unavailable, True),
        (503, body(503, "UNAVAILABLE"), Unavailable, True),
        (504, body(504, "DEADLINE_EXCEEDED"), DeadlineExceeded, True),
    ],
)
def test_statuses_mean_what_google_says(status, said, kind, elsewhere):
    error, other = failure(status, {}, said)
    assert type(error) is kind
    assert other is elsewhere


def test_details_count():
    assert failure(429, {}, body(429, "RESOURCE_EXHAUSTED", "no", RETRY))[0].retry_after_s == 34.5
    assert failure(429, {b"retry-after": b"3"}, body(429, "RESOURCE_EXHAUSTED", "no", RETRY))[0].retry_after_s == 3
    assert failure(400, {}, body(400, "INVALID_ARGUMENT", "no", FIELD))[0].param == "contents[0]"
    assert failure(400, {}, b"[" + body(400, "INVALID_ARGUMENT", "why") + b"]")[0].detail == "The upstream says: why"


def test_what_is_written_is_read():
    written = errors.encode("Wait.", code=429, reason="rate_limited", param="contents", retry_after_s=2)
    found = errors.decode(written)
    assert (found.code, found.message, found.status) == (429, "Wait.", "RESOURCE_EXHAUSTED")
    assert (found.reasons, found.param, found.retry_after_s) == ({"RATE_LIMITED"}, "contents", 2.0)
    assert errors.decode(b"rubbish").message == "rubbish"
    assert errors.decode(b"[]").message == ""


def test_models():
    listed = json.loads(models.encode_list([("fast", 7), ("team/any", 7)]))["models"]
    assert [model["name"] for model in listed] == ["models/fast", "models/team/any"]
    assert json.loads(models.encode_one("fast", 7)) == listed[0]
