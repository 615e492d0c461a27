"""What is kept of a conversation, and how the next request continues from it.

A stored conversation belongs to no deployment: items lose the ids their vendor gave them, and reasoning that OpenAI encrypted is left
out, as another deployment would refuse the request because of it. Reasoning of other vendors stays, sealed (`sealed.py`).
"""

from __future__ import annotations

import msgspec

from ninefold.domain.errors import InvalidRequest
from ninefold.wire import json_members
from ninefold.wire.json_members import ABSENT, Members, encode, is_given, members, raw
from ninefold.wire.openai.responses import sealed
from ninefold.wire.openai.responses.ids import OURS

_objects = msgspec.json.Decoder(list[Members])
_string = msgspec.json.Decoder(str)
_PART_ECHOES = ("annotations", "logprobs")


class _Named(msgspec.Struct):
    """A finished response object."""

    id: str


class _Kept(msgspec.Struct):
    """What a finished response object brought."""

    output: list[Members]


class _Asked(msgspec.Struct):
    store: bool | None = None
    previous_response_id: str | None = None


_named = msgspec.json.Decoder(_Named)
_kept = msgspec.json.Decoder(_Kept)
_ENDINGS = (b"event: response.completed\n", b"event: response.incomplete\n")
_asked = msgspec.json.Decoder(_Asked)


def asked(body: bytes) -> tuple[str | None, bool]:
    """The `previous_response_id` that is ours, if one is given, and whether the answer is to be kept.

    What comes through here is JSON in UTF-8. Raises: InvalidRequest.
    """
    found = json_members.read(_asked, body)
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    previous = found.previous_response_id
    return previous if previous is not None and previous.startswith(OURS) else None, found.store is not False


def continued(body: bytes, items: bytes, answer: bytes) -> bytes:
    """`body` with the items of an earlier request and its answer before its own. Raises: InvalidRequest."""
    fields = members(body)
    before = [*_objects.decode(items), *output_items(answer)]
    fields["input"] = raw([*before, *_own(fields)])
    return encode(fields)


def input_items(body: bytes) -> bytes:
    """The items of a request, as they are kept: a JSON array. Raises: InvalidRequest."""
    return encode([item for item in map(_portable, _own(members(body))) if item is not None])


def not_kept(body: bytes) -> bytes:
    """`body`, saying that its answer is not kept."""
    fields = members(body)
    fields["store"] = raw(False)
    return encode(fields)


def answer_id(answer: bytes) -> str:
    """The id of a response object."""
    return _named.decode(answer).id


def response_in(events: bytes) -> bytes | None:
    """The finished response object in a piece of a stream, None where it is not the last piece. Data of an event is one line here."""
    if not any(events.startswith(ending) or events.find(b"\n" + ending) >= 0 for ending in _ENDINGS):
        return None
    return bytes(members(events[events.rfind(b"\ndata: ") + 7 :].strip())["response"])


def output_items(answer: bytes) -> list[Members]:
    """What an answer brought, as items of the next request."""
    return [item for item in map(_portable, _kept.decode(answer).output) if item is not None]


def _own(fields: Members) -> list[Members]:
    given = fields.get("input", ABSENT)
    if not is_given(given):
        return []
    try:
        if bytes(given).startswith(b'"'):
            text = _string.decode(given)
            return [{"type": raw("message"), "role": raw("user"), "content": raw([{"type": "input_text", "text": text}])}]
        return _objects.decode(given)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"`input` is neither text nor a list of items: {error}.", param="input") from None


def _portable(item: Members) -> Members | None:
    """The item without what ties it to its vendor; None for reasoning that only its vendor can read."""
    kind = _text(item, "type") or ("message" if "role" in item else "")
    if kind == "reasoning":
        encrypted = _text(item, "encrypted_content")
        return None if encrypted and not sealed.is_ours(encrypted) else _without(item, "id", "status")
    if kind == "message":
        plain = _without(item, "id", "status", "phase")
        content = plain.get("content", ABSENT)
        if bytes(content).startswith(b"["):
            plain["content"] = raw([_without(part, *_PART_ECHOES) for part in _parts(content)])
        return {"type": raw("message")} | plain
    if kind in {"function_call", "function_call_output"}:
        return _without(item, "id", "status")
    return item


def _parts(content: msgspec.Raw) -> list[Members]:
    try:
        return _objects.decode(content)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The content of a message is neither text nor a list of parts: {error}.", param="input") from None


def _without(item: Members, *names: str) -> Members:
    return {name: value for name, value in item.items() if name not in names}


def _text(item: Members, name: str) -> str | None:
    value = bytes(item.get(name, ABSENT))
    return _string.decode(value) if value.startswith(b'"') else None
