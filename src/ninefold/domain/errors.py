"""The one tree of errors that callers may see; anything outside it is an opaque internal error.

Each class says what a caller can act on: `code` (stable, machine-readable), `title` (stable, human-readable) and whether the same
request may succeed later (`retryable`). HTTP statuses and vendor envelopes live in `ninefold.http.errors`, in one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ninefold.domain.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What there was of an answer that broke off: what it used, and its text where the caller has not had it already."""

    usage: Usage
    text: str | None = None


class NinefoldError(Exception):
    """Something a caller is told about: a sentence that says what to do next, never a secret, a prompt or a stack.

    `param` names the offending field of the request, `retry_after_s` when a retry makes sense, and `retryable` tells clients with
    built-in retries whether to repeat the request. `partial` is set where an answer had begun.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.param = param
        self.retry_after_s = retry_after_s
        self.partial: Partial | None = None


class Internal(NinefoldError):
    """A defect of ours: the caller gets a trace id, the log gets the rest."""


class InvalidRequest(NinefoldError):
    """The request itself is wrong; sending it again changes nothing."""

    code = "invalid_request"
    title = "The request is not valid"


class Unsupported(InvalidRequest):
    """The request is well formed, but the deployment it would go to cannot express the field named in `param`."""

    code = "unsupported"
    title = "The target cannot express this field"


class ContextTooLong(InvalidRequest):
    """The conversation and its answer do not fit into the context of any deployment that may take it."""

    code = "context_length_exceeded"
    title = "The conversation is too long"


class Unauthenticated(NinefoldError):
    """No credential, or one that nobody holds, or one that was revoked or has expired."""

    code = "unauthenticated"
    title = "The credential was not accepted"


class PolicyDenied(NinefoldError):
    """The caller is known and may not do this."""

    code = "policy_denied"
    title = "Denied by policy"


class ApprovalRequired(PolicyDenied):
    """Work of this class is done only after somebody has agreed to it."""

    code = "approval_required"
    title = "Somebody has to agree first"


class Killed(PolicyDenied):
    """A kill switch or a revocation ended this request, perhaps in mid-stream."""

    code = "killed"
    title = "Stopped by a kill switch"


class NotFound(NinefoldError):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"
    title = "Not found"


class ModelNotFound(NotFound):
    """No model of this name is served to this caller."""

    code = "model_not_found"
    title = "Unknown model"


class NoRoute(NotFound):
    """The model exists, but no deployment of it can take this request."""

    code = "no_route"
    title = "No deployment can take this request"


class NoRuleMatched(NotFound):
    """A rules deployment found nothing in its tables that answers this."""

    code = "no_rule_matched"
    title = "No rule answers this"


class Conflict(NinefoldError):
    """The request contradicts something that already stands."""

    code = "conflict"
    title = "Conflict"


class TooLarge(NinefoldError):
    """The body is larger than the server or the tenant's policy allows."""

    code = "too_large"
    title = "The request is too large"


class RateLimited(NinefoldError):
    """A rate or concurrency limit of the caller's tenant is used up at the moment."""

    code = "rate_limited"
    title = "Rate limit reached"
    retryable = True


class NeverFits(RateLimited):
    """The request alone needs more than the limit can ever hold: waiting does not help."""

    title = "The request is larger than its limit"
    retryable = False


class BudgetExceeded(NinefoldError):
    """The worst case of this request does not fit into what is left of a hard budget."""

    code = "budget_exceeded"
    title = "Budget exhausted"


class UpstreamRejected(NinefoldError):
    """The vendor refused us (our credential, its policy) or answered with something that is not its protocol."""

    code = "upstream_rejected"
    title = "The upstream rejected the request"


class Unavailable(NinefoldError):
    """No deployment could answer now: all failed, cool down, or shed load; or a plane of ours is down and fails closed."""

    code = "unavailable"
    title = "Temporarily unavailable"
    retryable = True


class StreamInterrupted(Unavailable):
    """The upstream's stream broke after its first delta: what was sent is true, and incomplete."""

    code = "stream_interrupted"
    title = "The upstream's stream was cut short"


class DeadlineExceeded(NinefoldError):
    """A connect, first-token, idle or total deadline passed."""

    code = "deadline_exceeded"
    title = "A deadline passed"
    retryable = True
