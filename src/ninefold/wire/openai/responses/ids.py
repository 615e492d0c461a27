"""The ids under which answers and their items are known to callers."""

from __future__ import annotations

import re

from ninefold.domain.call import ModelCall

# Every answer has an id of ours, whoever made it: callers never see a vendor's, so that none can name another tenant's conversation.
OURS = "resp_nf_"
_RESPONSE = re.compile(OURS + r"[A-Za-z0-9_.-]{1,150}")
_ITEM = re.compile(r"[a-z]{2,4}_[0-9a-f]{48}_\d+")


def response_id(call: ModelCall, theirs: str) -> str:
    """The id of the answer to `call`: its trace and its span, which nobody else has; `theirs` is the vendor's, for calls of no trace."""
    _, _, rest = call.traceparent.partition("-")
    name = rest.rpartition("-")[0].replace("-", "")
    return OURS + (name or theirs)


def item_id(kind: str, response: str, index: int) -> str:
    """The id of item `index` of an answer; `kind` is its prefix: msg, fc, rs."""
    return f"{kind}_{response.removeprefix(OURS)}_{index}"


def may_be_response(name: str) -> bool:
    """Whether an answer of ours could have this id; what could not needs no looking for."""
    return _RESPONSE.fullmatch(name) is not None


def is_item_of_ours(name: str) -> bool:
    """Whether `item_id` made this id, for an answer that we translated."""
    return _ITEM.fullmatch(name) is not None
