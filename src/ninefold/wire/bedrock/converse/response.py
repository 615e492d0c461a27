"""Converse answers, read.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, response.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatResult, Choice, Reasoning, Text, ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.wire import vendor_json
from ninefold.wire.anthropic.messages import arguments
from ninefold.wire.bedrock.converse import finish
from ninefold.wire.bedrock.converse.usage import ReportedUsage


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _Cited(msgspec.Struct):
    text: str = ""


class _Citations(msgspec.Struct):
    content: list[_Cited] = []


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Citations | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class ModelFields(msgspec.Struct):
    """`additionalModelResponseFields`, as far as they were asked for."""

    stop_sequence: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str
    usage: ReportedUsage | None = None
    additional_model_response_fields: ModelFields | None = None


_decoder = msgspec.json.Decoder(_Answer)


def decode(body: bytes, *, result_id: str, model: str) -> ChatResult:
    """The answer in `body`, which itself says neither its id nor its model. Raises: UpstreamRejected."""
    found = vendor_json.read(_decoder, body, "an answer of Converse")
    parts = [part for part in map(_read, found.output.message.content) if part is not None]
    fields = found.additional_model_response_fields or ModelFields()
    choice = Choice(parts=tuple(parts), finish=finish.read(found.stop_reason), stop_sequence=fields.stop_sequence)
    usage = found.usage or ReportedUsage()
    return ChatResult(result_id=result_id, model=model, choices=(choice,), usage=usage.to_domain())


def _read(block: _Block) -> Text | Reasoning | ToolCall | None:
    """The part in a block, None for an empty text. Raises: UpstreamRejected for a block that other protocols have no place for."""
    if block.text is not None:
        return Text(text=block.text) if block.text else None
    if block.tool_use is not None:
        used = block.tool_use
        return ToolCall(call_id=used.tool_use_id, name=used.name, arguments=_arguments(used.input))
    if block.reasoning_content is not None:
        thought = block.reasoning_content
        if thought.redacted_content is not None:
            return Reasoning(redacted=thought.redacted_content)
        said = thought.reasoning_text or _ReasoningText()
        return Reasoning(text=said.text, signature=said.signature or None)
    if block.citations_content is not None:
        text = "".join(piece.text for piece in block.citations_content.content)
        return Text(text=text) if text else None
    raise UpstreamRejected("The upstream answered with a block that cannot be translated.")


def _arguments(given: msgspec.Raw) -> str:
    try:
        return arguments.read(bytes(given).decode())
    except UnicodeDecodeError:
        raise UpstreamRejected("The upstream sent tool arguments that are not UTF-8.") from None
