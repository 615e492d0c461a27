"""Whole answers as response objects.

Source: platform.openai.com/docs/api-reference/responses/object.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ChatResult, Refusal
from ninefold.wire.openai.responses import output
from ninefold.wire.openai.responses.frame import Frame


def encode(call: ModelCall, result: ChatResult) -> bytes:
    """The answer as one object; of several choices the first, as only one can be asked for here."""
    frame = Frame(call, result.result_id, result.created or int(call.received_at))
    choice = result.choices[0]
    status, reason = output.ending(choice.finish, refused=any(isinstance(part, Refusal) for part in choice.parts))
    items = output.items(choice.parts, frame.response_id, cut=reason is not None)
    return msgspec.json.encode(frame.members(status, items, usage=result.usage, reason=reason))
