"""Google's error envelope, in both directions.

Source: google.aip.dev/193 "Errors"; cloud.google.com/apis/design/errors: `google.rpc.Status` with its details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

NO_MORE: Final[Mapping[str, object]] = {}
_MOST_TEXT = 300
_DOMAIN = "ninefold"
# Source: google/rpc/code.proto, "HTTP Mapping".
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""
    field_violations: list[_Violation] = []


class Status(msgspec.Struct):
    """`google.rpc.Status`, as far as anybody here asks."""

    code: int = 0
    message: str = ""
    status: str = ""
    details: list[_Detail] = []

    @property
    def reasons(self) -> set[str]:
        """The machine-readable reasons among the details."""
        return {detail.reason for detail in self.details if detail.reason}

    @property
    def param(self) -> str | None:
        """The first field that is complained of."""
        return next((v.field for detail in self.details for v in detail.field_violations if v.field), None)

    @property
    def retry_after_s(self) -> float | None:
        """How long to wait, where the details say it: "34s" or "0.5s"."""
        for detail in self.details:
            try:
                return max(float(detail.retry_delay.removesuffix("s")), 0.0)
            except ValueError:
                continue
        return None


class _Envelope(msgspec.Struct):
    error: Status


_decoder = msgspec.json.Decoder(_Envelope | list[_Envelope])


def decode(body: bytes) -> Status:
    """The status in `body`; what is no envelope is the message, cut at 300 characters.

    A stream that was asked for as an array has its error in an array too.
    """
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Status(message=body.decode("utf-8", "replace").strip()[:_MOST_TEXT])
    if isinstance(found, list):
        return found[0].error if found else Status()
    return found.error


def encode(
    message: str,
    *,
    code: int,
    reason: str,
    param: str | None = None,
    retry_after_s: float | None = None,
    more: Mapping[str, object] = NO_MORE,
) -> bytes:
    """The envelope; `code` is the HTTP status, `reason` a word of ours that programs may go by, `more` further members of the error."""
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason.upper(), "domain": _DOMAIN},
    ]
    if param:
        violation = {"field": param, "description": message}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    if retry_after_s is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after_s:.3f}s"})
    status = _WORDS.get(code, "INTERNAL")
    return msgspec.json.encode({"error": {"code": code, "message": message, "status": status, "details": details, **more}})
