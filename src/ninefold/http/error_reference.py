"""Writes the reference of the errors from the tree and the table that render them: `python -m ninefold.http.error_reference FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ninefold.domain import errors
from ninefold.domain.errors import NinefoldError
from ninefold.http.errors import row

# What a reader does about each class of the tree.
NEXT: dict[type[NinefoldError], str] = {
    errors.Internal: "Look for the trace id in the logs of the gateway, and report the defect.",
    errors.InvalidRequest: "Correct the field that `param` names.",
    errors.Unsupported: "Leave the field away, or ask for a model with a deployment that has it.",
    errors.ContextTooLong: "Send less of the conversation, ask for fewer tokens, or have `truncate` of the model set.",
    errors.Unauthenticated: "Send a key that is in force; `ninefold keys list` shows them.",
    errors.PolicyDenied: "The message names every rule that said no; have the tenant's `models` or size limits changed.",
    errors.ApprovalRequired: "Have it agreed to, or send the request under another task class.",
    errors.Killed: "The key was revoked while the request ran: use another one.",
    errors.NotFound: "Look at the path or the id.",
    errors.ModelNotFound: "`GET /v1/models` lists the models this key may use.",
    errors.NoRoute: "The message says what kept each deployment out: what it cannot do, its region, or for whom it is reserved.",
    errors.NoRuleMatched: "Ask in other words, or have the task class promoted to a model (`promotion: {on: [no_rule_matched]}`).",
    errors.Conflict: "Use another name, or remove what stands in the way.",
    errors.TooLarge: "Send less, or have `server.max_body_bytes` raised.",
    errors.NeverFits: "Ask for fewer tokens (`max_tokens`, a shorter prompt), or have the limit raised.",
    errors.RateLimited: "Wait as long as `Retry-After` says.",
    errors.BudgetExceeded: "Ask for fewer output tokens, wait for the next window, or have the budget raised.",
    errors.UpstreamRejected: "The operator looks at the deployment's credential, account and base URL.",
    errors.Unavailable: "Try again after `Retry-After`; the message names the deployments that were tried.",
    errors.StreamInterrupted: "Ask again; what had arrived is true, incomplete, and paid for.",
    errors.DeadlineExceeded: "Try again, or have the model's `timeouts` raised.",
}

_INTRO = """\
# Errors

Generated from the tree of errors and the table that renders them; do not edit.

Every refusal and every failure is one of the classes below, in the envelope of whoever asks: OpenAI's on `/v1/*`, Anthropic's on
`/v1/messages*`, problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) on `/api/*` and the probes. Each carries
`x-ninefold-trace-id`; `code` is stable and meant for programs, the message says what to do next and never holds a secret or a prompt.

- **Retryable** tells whether the same request may succeed later. A final refusal carries `x-should-retry: false`, because the OpenAI
  client otherwise sends it three times. `Retry-After` stands where the wait is known.
- **After the first byte** of a stream the same error comes as an event, and the stream has no proper end: no `[DONE]`, no
  `message_stop`. Its status and its headers are gone by then, so the event holds the message and the type alone (and, for OpenAI, the
  code).
- Anthropic's envelope has no place for a code; there the status, the type and the message tell the classes apart.

| class | status | `code` | OpenAI `type` | Anthropic `type` | retryable |
|---|---|---|---|---|---|
"""

_OUTRO = """
The control plane adds two of its own to these: 405 `method_not_allowed`, and 408 `request_timeout` for a body that takes longer than ten
seconds.
"""


def classes() -> list[type[NinefoldError]]:
    """The tree, by status and then in the order in which it is written; without its root, which nobody raises."""
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, NinefoldError)]
    return sorted((each for each in found if each is not NinefoldError), key=lambda each: row(each("")).status)


def render() -> str:
    """The whole page."""
    return _INTRO + "".join(_lines()) + "\n## What each means, and what to do\n\n" + "".join(_meanings()) + _OUTRO


def _lines() -> Iterator[str]:
    for each in classes():
        told = row(each(""))
        cells = (
            f"[{each.__name__}](#{each.__name__.lower()})",
            str(told.status),
            f"`{each.code}`",
            f"`{told.openai_type}`",
            f"`{told.anthropic_type}`",
            "yes" if each.retryable else "no",
        )
        yield f"| {' | '.join(cells)} |\n"


def _meanings() -> Iterator[str]:
    for each in classes():
        meaning = " ".join((each.__doc__ or "").split())
        yield f"### {each.__name__}\n\n{each.title}. {meaning}\n\n*Next:* {NEXT[each]}\n\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
