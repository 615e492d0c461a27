"""Chat completions answers, in both directions.

Source: platform.openai.com/docs/api-reference/chat/object.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatResult, Choice, Reasoning, Refusal, Text, ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import NO_USAGE
from ninefold.wire import vendor_json
from ninefold.wire.openai.chat import finish, message, reasoning, usage
from ninefold.wire.openai.failures import event_error

_WHAT = "a chat completion"


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _TextPart(msgspec.Struct, tag="text"):
    text: str


class _Message(msgspec.Struct):
    content: str | list[_TextPart] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[reasoning.Detail] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str
    index: int = 0
    stop_reason: str | int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    usage: usage.ReportedUsage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Completion)
_text = msgspec.json.Decoder(str)


def decode(body: bytes) -> ChatResult:
    """The answer in `body`. Raises: UpstreamRejected where it is not the protocol; the vendor's error where it sent one."""
    found = vendor_json.read(_decoder, body, _WHAT)
    if bytes(found.error) != b"null":
        raise event_error(bytes(found.error))
    if not found.choices:
        raise UpstreamRejected("The upstream answered without a choice.")
    return ChatResult(
        result_id=found.id or "",
        model=found.model or "",
        choices=tuple(_choice(choice) for choice in sorted(found.choices, key=lambda choice: choice.index)),
        usage=NO_USAGE if found.usage is None else found.usage.to_domain(),
        created=int(found.created or 0),
    )


def _choice(choice: _Choice) -> Choice:
    said = choice.message
    parts: list[Text | Reasoning | Refusal | ToolCall] = []
    details = reasoning.blocks(said.reasoning_details or ())
    plain = said.reasoning_content or said.reasoning
    if details:
        parts += details
    elif plain:
        parts.append(Reasoning(text=plain))
    if isinstance(said.content, str):
        if said.content:
            parts.append(Text(text=said.content))
    else:
        parts += (Text(text=part.text) for part in said.content or () if part.text)
    if said.refusal:
        parts.append(Refusal(text=said.refusal))
    for index, call in enumerate(said.tool_calls or ()):
        parts.append(_call(call.function, call.id or f"call_{choice.index}_{index}"))
    if said.function_call is not None:
        parts.append(_call(said.function_call, f"call_{choice.index}_0"))
    reason, stop_sequence = finish.read(choice.finish_reason, choice.stop_reason)
    return Choice(parts=tuple(parts), finish=reason, stop_sequence=stop_sequence)


def _call(function: _Function, call_id: str) -> ToolCall:
    return ToolCall(call_id=call_id, name=function.name, arguments=arguments_text(function.arguments))


def arguments_text(raw: msgspec.Raw) -> str:
    """The arguments as JSON text; some servers send the object itself in place of its text, or nothing."""
    value = bytes(raw)
    if value in {b"", b"null"}:
        return ""
    if value.startswith(b'"'):
        return vendor_json.read(_text, value, _WHAT)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UpstreamRejected("The upstream sent tool arguments that are not UTF-8.") from None


def encode(result: ChatResult, *, model: str, result_id: str, created: int) -> bytes:
    """The answer as one object. Texts of one choice are joined, as `content` is one string here."""
    choices = [_write_choice(choice, index) for index, choice in enumerate(result.choices)]
    return msgspec.json.encode(
        {
            "id": result_id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": choices,
            "usage": usage.members(result.usage),
        }
    )


def _write_choice(choice: Choice, index: int) -> dict[str, object]:
    texts = [part.text for part in choice.parts if isinstance(part, Text)]
    refusals = [part.text for part in choice.parts if isinstance(part, Refusal)]
    calls = [message.tool_call(part) for part in choice.parts if isinstance(part, ToolCall)]
    said: dict[str, object] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    said.update(reasoning.members([part for part in choice.parts if isinstance(part, Reasoning)]))
    if calls:
        said["tool_calls"] = calls
    written: dict[str, object] = {
        "index": index,
        "message": said,
        "logprobs": None,
        "finish_reason": finish.word(choice.finish),
    }
    if choice.stop_sequence is not None:
        written["stop_reason"] = choice.stop_sequence
    return written
