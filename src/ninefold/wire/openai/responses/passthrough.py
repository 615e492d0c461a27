"""Responses from an OpenAI caller to a vendor that has the Responses API itself: the bytes pass, a few members change.

The vendor's id of an answer is replaced by ours. A `previous_response_id` of ours has become items of `input` before; any other was made
by the vendor for somebody who asked it without us, and passes untouched: only the deployment that made it knows it.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import attribution, vendor_json
from ninefold.wire.json_members import ABSENT, Members, encode, is_given, members, raw
from ninefold.wire.openai.failures import event_error
from ninefold.wire.openai.responses import sealed
from ninefold.wire.openai.responses.ids import OURS, is_item_of_ours, response_id
from ninefold.wire.openai.responses.usage import ReportedUsage


class WireItem(msgspec.Struct):
    """An output item, as far as it is a call; other kinds have members of these names too, of any type."""

    type: str = ""
    call_id: object = None
    name: object = None
    arguments: object = None

    def call(self) -> ToolCall | None:
        """The function call that it is."""
        if self.type != "function_call":
            return None
        return ToolCall(call_id=str(self.call_id or ""), name=str(self.name or ""), arguments=str(self.arguments or ""))


class Answer(msgspec.Struct):
    """A response object, as far as money and tool calls are concerned."""

    id: str
    model: str = ""
    status: str | None = None
    output: list[WireItem] | None = None
    usage: ReportedUsage | None = None
    error: msgspec.Raw = ABSENT


class _Previous(msgspec.Struct):
    previous_response_id: str | None = None


class _Thought(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    encrypted_content: str | None = None


_answer = msgspec.json.Decoder(Answer)
_previous = msgspec.json.Decoder(_Previous)
_thought = msgspec.json.Decoder(_Thought)
_items = msgspec.json.Decoder(list[msgspec.Raw])


def request(call: ModelCall, model: str, max_output_tokens: int) -> bytes:
    """The caller's body for the vendor: its model name, an output cap where there was none, nothing that only we understand."""
    fields = members(call.body)
    fields["model"] = raw(model)
    if call.max_output_tokens is None:
        fields["max_output_tokens"] = raw(max_output_tokens)
    if _is_ours(call):
        del fields["previous_response_id"]
    if bytes(fields.get("input", ABSENT)).find(b'"reasoning"') >= 0:
        fields["input"] = raw(_without_foreign_thoughts(fields["input"]))
    if call.attribution or call.task_class:
        attribution.without(fields)
    return encode(fields)


def _is_ours(call: ModelCall) -> bool:
    return (_previous.decode(call.body).previous_response_id or "").startswith(OURS)


def _without_foreign_thoughts(given: msgspec.Raw) -> list[msgspec.Raw] | msgspec.Raw:
    """The items without reasoning of another vendor, which this one can neither verify nor find; what is no list is not touched."""
    try:
        return [item for item in _items.decode(given) if not _is_foreign_thought(item)]
    except msgspec.MsgspecError:
        return given


def _is_foreign_thought(item: msgspec.Raw) -> bool:
    try:
        found = _thought.decode(item)
    except msgspec.MsgspecError:
        return False
    if found.type != "reasoning":
        return False
    if found.encrypted_content is not None:
        return sealed.is_ours(found.encrypted_content)
    return found.id is None or is_item_of_ours(found.id)


def read(body: bytes | msgspec.Raw) -> Answer:
    """The response object in `body`. Raises: UpstreamRejected; the vendor's error where it failed."""
    found = vendor_json.read(_answer, bytes(body), "a response object")
    if is_given(found.error) or found.status == "failed":
        raise event_error(bytes(found.error))
    return found


def renamed(call: ModelCall, body: bytes | msgspec.Raw, found: Answer) -> Members:
    """The members of a response object under the names the caller knows: the model's, the answer's and the previous one's."""
    fields = members(bytes(body))
    fields["id"] = raw(response_id(call, found.id))
    if "model" in fields:
        fields["model"] = raw(call.model)
    if _is_ours(call):
        fields["previous_response_id"] = members(call.body)["previous_response_id"]
    return fields


def calls(found: Answer) -> tuple[ToolCall, ...]:
    """The function calls of an answer."""
    return tuple(call for item in found.output or () if (call := item.call()) is not None)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's answer under the names the caller used."""
    found = read(body)
    if found.status in {"queued", "in_progress", "cancelled"}:
        raise UpstreamRejected("The upstream answered with a response that is not finished.")
    if found.usage is None:
        usage = Usage(input_tokens=(len(call.body) + 3) // 4, output_tokens=(len(body) + 3) // 4, estimated=True)
    else:
        usage = found.usage.to_domain()
    written = encode(renamed(call, body, found))
    return Whole(body=Splice(before=written[:-1], after=b"}"), usage=usage, tool_calls=calls(found))
