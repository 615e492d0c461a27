"""Messages answers, in both directions.

Source: docs.anthropic.com/en/api/messages, response.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatResult, Choice, FinishReason, Reasoning, Refusal, Text, ToolCall
from ninefold.domain.errors import Unsupported, UpstreamRejected
from ninefold.wire import vendor_json
from ninefold.wire.anthropic.failures import event_error
from ninefold.wire.anthropic.messages import arguments, finish
from ninefold.wire.anthropic.messages.usage import ReportedUsage, members

_WHAT = "a message"


class Block(msgspec.Struct):
    """One content block; which members count depends on its type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class StopDetails(msgspec.Struct):
    """`stop_details`: why an answer was refused."""

    explanation: str | None = None


class _Message(msgspec.Struct):
    type: str | None = None
    id: str = ""
    model: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: ReportedUsage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Message)


def decode(body: bytes) -> ChatResult:
    """The answer in `body`. Raises: UpstreamRejected where it is not the protocol; the vendor's error where it sent one."""
    found = vendor_json.read(_decoder, body, _WHAT)
    if found.type == "error":
        raise event_error(bytes(found.error))
    if found.content is None:
        raise UpstreamRejected("The upstream answered without content.")
    parts = [part for part in map(read_block, found.content) if part is not None]
    if found.stop_details is not None and found.stop_details.explanation:
        parts.append(Refusal(text=found.stop_details.explanation))
    choice = Choice(parts=tuple(parts), finish=finish.read(found.stop_reason), stop_sequence=found.stop_sequence)
    usage = found.usage or ReportedUsage()
    return ChatResult(result_id=found.id, model=found.model, choices=(choice,), usage=usage.to_domain())


def read_block(block: Block) -> Text | Reasoning | Refusal | ToolCall | None:
    """The part in a whole block, None for an empty text.

    Raises: UpstreamRejected for a block that nobody asked for and that other protocols have no place for.
    """
    if block.type == "text":
        return Text(text=block.text) if block.text else None
    if block.type == "thinking":
        return Reasoning(text=block.thinking or "", signature=block.signature or None)
    if block.type == "redacted_thinking":
        return Reasoning(redacted=block.data or "")
    if block.type == "tool_use" and block.name:
        return ToolCall(call_id=block.id or "", name=block.name, arguments=input_text(block))
    raise UpstreamRejected(f"The upstream answered with a block of the type {block.type[:40]!r}, which cannot be translated.")


def input_text(block: Block) -> str:
    """The arguments in a tool_use block. Raises: UpstreamRejected."""
    try:
        return arguments.read(bytes(block.input).decode())
    except UnicodeDecodeError:
        raise UpstreamRejected("The upstream sent tool arguments that are not UTF-8.") from None


def encode(result: ChatResult, *, model: str, result_id: str, created: int) -> bytes:
    """The answer as one object; `created` has no place in it. Raises: Unsupported for several choices."""
    del created
    if len(result.choices) != 1:
        raise Unsupported("A message is one answer.", param="n")
    choice = result.choices[0]
    return msgspec.json.encode(
        {
            "id": result_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [block for block in map(write_block, choice.parts) if block is not None],
            "stop_reason": stop_reason(choice),
            "stop_sequence": choice.stop_sequence,
            "usage": members(result.usage),
        }
    )


def stop_reason(choice: Choice) -> str:
    """The word for why a whole choice ended."""
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    refused = choice.finish is FinishReason.STOP and any(isinstance(part, Refusal) for part in choice.parts)
    return finish.word(choice.finish, called=called, refused=refused)


def write_block(part: Text | Reasoning | Refusal | ToolCall) -> dict[str, object] | None:
    """One content block, None for a text that says nothing. What a refusing model says is text here.

    Reasoning that its vendor did not sign has an empty signature, which `request.decode` reads as none.
    """
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text} if part.text else None
        case Reasoning():
            if part.redacted is not None:
                return {"type": "redacted_thinking", "data": part.redacted}
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case ToolCall():
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": arguments.write(part.arguments)}
