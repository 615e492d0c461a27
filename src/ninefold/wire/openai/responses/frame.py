"""The response object around an answer: what was asked, repeated, with the defaults that were meant."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ninefold.domain.call import ModelCall
from ninefold.domain.usage import Usage
from ninefold.wire.json_members import ABSENT, is_given, members, raw
from ninefold.wire.openai.responses import usage as usages
from ninefold.wire.openai.responses.ids import response_id
from ninefold.wire.openai.responses.output import Item

# Source: platform.openai.com/docs/api-reference/responses/object.
_DEFAULTS: tuple[tuple[str, object], ...] = (
    ("instructions", None),
    ("max_output_tokens", None),
    ("max_tool_calls", None),
    ("metadata", {}),
    ("parallel_tool_calls", True),
    ("previous_response_id", None),
    ("prompt_cache_key", None),
    ("safety_identifier", None),
    ("service_tier", "default"),
    ("store", True),
    ("temperature", 1.0),
    ("tool_choice", "auto"),
    ("top_logprobs", 0),
    ("top_p", 1.0),
    ("truncation", "disabled"),
    ("user", None),
)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_NULL = raw(None)


class Frame:
    """The response object of one call, again and again as its answer grows; `response_id` is what the caller knows it by."""

    __slots__ = ("_asked", "_created", "_model", "response_id")

    def __init__(self, call: ModelCall, theirs: str, created: int) -> None:
        self.response_id = response_id(call, theirs)
        self._created = created
        self._model = call.model
        self._asked = _asked(call.body)

    def members(self, status: str, output: Sequence[Item], *, usage: Usage | None = None, reason: str | None = None) -> dict[str, object]:
        """The object; `reason` says why it is incomplete, `usage` is None while the answer is being made."""
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None if reason is None else {"reason": reason},
            "model": self._model,
            "output": output,
            **self._asked,
            "usage": None if usage is None else usages.members(usage),
        }


def _asked(body: bytes) -> dict[str, object]:
    fields = members(body)
    found: dict[str, object] = {}
    for name, default in _DEFAULTS:
        given = fields.get(name, ABSENT)
        found[name] = given if is_given(given) else default
    found["reasoning"] = {"effort": None, "summary": None} | _object(fields.get("reasoning", ABSENT))
    found["text"] = {"format": {"type": "text"}} | {k: v for k, v in _object(fields.get("text", ABSENT)).items() if is_given(v)}
    tools = fields.get("tools", ABSENT)
    absent = {"description": _NULL, "parameters": _NULL, "strict": _NULL}
    found["tools"] = [absent | tool if bytes(tool.get("type", b"")) == b'"function"' else tool for tool in _OBJECTS.decode(tools)] if (
        is_given(tools)
    ) else []  # fmt: skip
    return found


def _object(member: msgspec.Raw) -> dict[str, msgspec.Raw]:
    return _OBJECT.decode(member) if is_given(member) else {}
