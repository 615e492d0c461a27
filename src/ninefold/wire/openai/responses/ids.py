"""The ids under which answers and their items are known to callers."""

from __future__ import annotations

from ninefold.domain.call import ModelCall

# Every answer has an id of ours, whoever made it: callers never see a vendor's, so that none can name another tenant's conversation.
OURS = "resp_nf_"


def response_id(call: ModelCall, theirs: str) -> str:
    """The id of the answer to `call`: its trace and its span, which nobody else has; `theirs` is the vendor's, for calls of no trace."""
    _, _, rest = call.traceparent.partition("-")
    name = rest.rpartition("-")[0].replace("-", "")
    return OURS + (name or theirs)


def item_id(kind: str, response: str, index: int) -> str:
    """The id of item `index` of an answer; `kind` is its prefix: msg, fc, rs."""
    return f"{kind}_{response.removeprefix(OURS)}_{index}"
