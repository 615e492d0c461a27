"""Generated content, in both directions.

Source: ai.google.dev/api/generate-content#GenerateContentResponse.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ChatResult, Choice, FinishReason, Part, Reasoning, Refusal, Text, ToolCall
from ninefold.domain.errors import UpstreamRejected
from ninefold.domain.usage import NO_USAGE
from ninefold.wire import call_ids, vendor_json
from ninefold.wire.gemini.failures import event_error
from ninefold.wire.gemini.generate import calls, content, finish, signature
from ninefold.wire.gemini.generate.usage import ReportedUsage, members

_ABSENT = msgspec.Raw(b"null")
Said = Text | Reasoning | Refusal | ToolCall


class FunctionCall(msgspec.Struct):
    """A call; its `id` is optional."""

    name: str
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class AnswerPart(msgspec.Struct, rename="camel"):
    """One part of an answer. Members that stand for what Google ran itself are known so that they are not mistaken for nothing."""

    text: str | None = None
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: msgspec.Raw = _ABSENT
    executable_code: msgspec.Raw = _ABSENT
    code_execution_result: msgspec.Raw = _ABSENT


class AnswerContent(msgspec.Struct):
    """What a candidate says; without parts where there is nothing, or nothing more, to say."""

    parts: list[AnswerPart] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer, or in a stream more of it."""

    content: AnswerContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int = 0


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why there is no candidate: the prompt itself was blocked."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Generated(msgspec.Struct, rename="camel"):
    """A whole answer or a chunk of one."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: ReportedUsage | None = None
    model_version: str = ""
    response_id: str = ""
    error: msgspec.Raw = _ABSENT

    @property
    def blocked(self) -> bool:
        """Whether the prompt was blocked."""
        return self.prompt_feedback is not None and self.prompt_feedback.block_reason is not None


_decoder = msgspec.json.Decoder(Generated)


def read_generated(body: bytes) -> Generated:
    """The answer or chunk in `body`. Raises: UpstreamRejected where it is not the protocol; the vendor's error where it sent one."""
    found = vendor_json.read(_decoder, body, "generated content")
    if bytes(found.error) != b"null":
        raise event_error(body)
    return found


def decode(body: bytes) -> ChatResult:
    """The answer in `body`. Raises: UpstreamRejected; the vendor's error where it sent one."""
    found = read_generated(body)
    if found.candidates:
        choices = tuple(_choice(candidate, found.response_id) for candidate in sorted(found.candidates, key=lambda each: each.index))
    elif found.blocked:
        choices = (Choice(parts=tuple(blocked_words(found)), finish=FinishReason.CONTENT_FILTER),)
    else:
        raise UpstreamRejected("The upstream answered without a candidate.")
    usage = NO_USAGE if found.usage_metadata is None else found.usage_metadata.to_domain()
    return ChatResult(result_id=found.response_id, model=found.model_version, choices=choices, usage=usage)


def blocked_words(found: Generated) -> list[Refusal]:
    """What the vendor says of a blocked prompt, if anything."""
    said = found.prompt_feedback and found.prompt_feedback.block_reason_message
    return [Refusal(text=said)] if said else []


def _choice(candidate: Candidate, response_id: str) -> Choice:
    if candidate.finish_reason is None:
        raise UpstreamRejected("The upstream answered without saying why the answer ended.")
    parts: list[Said] = []
    for part in (candidate.content and candidate.content.parts) or ():
        place = sum(isinstance(each, ToolCall) for each in parts)
        parts += read_part(part, response_id, candidate.index, place)
    called = any(isinstance(part, ToolCall) for part in parts)
    return Choice(parts=tuple(parts), finish=finish.read(candidate.finish_reason, called=called))


def read_part(part: AnswerPart, response_id: str, candidate: int, place: int) -> list[Said]:
    """What a part says; `place` counts the calls before it. Raises: UpstreamRejected for what other protocols have no place for."""
    call = part.function_call
    if call is not None:
        try:
            text = bytes(call.args).decode()
        except UnicodeDecodeError:
            raise UpstreamRejected("The upstream sent a call's arguments that are not UTF-8.") from None
        call_id = call.id or calls.made_id(response_id, candidate, place, call.name, text)
        signed = signature.of_call(part.thought_signature)
        return [ToolCall(call_id=call_ids.join(call_id, signed), name=call.name, arguments=calls.read_arguments(text))]
    for name in ("inline_data", "executable_code", "code_execution_result"):
        if bytes(getattr(part, name)) != b"null":
            raise UpstreamRejected(f"The upstream answered with a part of the kind {name}, which cannot be translated.")
    found: list[Part] = content.read_text(part.text or "", part.thought_signature, thought=part.thought)
    return [each for each in found if isinstance(each, Said)]


def encode(result: ChatResult, *, model: str, result_id: str) -> bytes:
    """The answer as one object."""
    candidates = [_write_choice(choice, index) for index, choice in enumerate(result.choices)]
    written = {"candidates": candidates, "usageMetadata": members(result.usage), "modelVersion": model, "responseId": result_id}
    return msgspec.json.encode(written)


def _write_choice(choice: Choice, index: int) -> dict[str, object]:
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    return {
        "content": {"role": "model", "parts": write_parts(choice.parts)},
        "finishReason": finish.word(choice.finish, refused=refused),
        "index": index,
    }


def write_parts(parts: tuple[Said, ...]) -> list[dict[str, object]]:
    """The parts of an answer. What a refusing model says is text here.

    The first call has a signature that Gemini 3 takes back, whoever made it: the next question may go there.
    """
    written: list[dict[str, object]] = []
    stand_in: str | None = signature.UNSIGNED
    for part in parts:
        if isinstance(part, ToolCall):
            written.append(calls.write_call(part, thought=stand_in))
            stand_in = None
        elif isinstance(part, Reasoning):
            written.append(write_thought(part))
        elif part.text:
            written.append({"text": part.text})
    return written


def write_thought(part: Reasoning) -> dict[str, object]:
    """The part of one thought, with whatever its vendor signed or sealed."""
    thought: dict[str, object] = {"text": part.text, "thought": True}
    signed = signature.write(part)
    return thought if signed is None else thought | {"thoughtSignature": signed}
