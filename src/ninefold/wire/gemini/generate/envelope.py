"""What admission needs to know of a request to generate content; the rest of it is not looked at."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from ninefold.domain.call import AUDIO, FILES, IMAGES, JSON_SCHEMA, LOGPROBS, NO_NEEDS, REASONING, TOOLS, ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, NotFound
from ninefold.wire.gemini.camel_object import CamelObject, camel
from ninefold.wire.json_members import members
from ninefold.wire.token_count import MOST_TOKENS

PREFIX = "/v1beta/models/"
OPERATIONS = {
    "generateContent": Operation.CHAT,
    "streamGenerateContent": Operation.CHAT,
    "countTokens": Operation.COUNT_TOKENS,
    "embedContent": Operation.EMBEDDINGS,
    "batchEmbedContents": Operation.EMBEDDINGS,
}
# Source: ai.google.dev/gemini-api/docs/media-resolution: a picture costs at most 2,240 tokens; what is read from elsewhere, a PDF, a
# film or a cache of a caller's own can fill the longest context there is.
IMAGE_TOKENS = 2_500
FILE_TOKENS = 1_050_000
_FULL = (b'"fileData"', b'"file_data"', b'"application/pdf"', b'"video/', b'"audio/', b'"cachedContent"', b'"cached_content"')


def place(path: str) -> tuple[str, str]:
    """The model and the method in a path. Raises: NotFound where it names none of ours."""
    model, _, method = unquote(path.removeprefix(PREFIX)).rpartition(":")
    if not model or method not in OPERATIONS:
        raise NotFound(f"There is nothing at {path[:200]}; the methods of a model are {', '.join(OPERATIONS)}.")
    return model, method


def read(body: bytes, path: str, query: str) -> ModelCall:
    """The call in `body`, of the model and the method that `path` names. Raises: InvalidRequest naming the field; NotFound."""
    model, method = place(path)
    operation = OPERATIONS[method]
    given = {camel(name): member for name, member in members(body).items()}
    wanted = "requests" if method == "batchEmbedContents" else "content" if method == "embedContent" else "contents"
    asked = bytes(given.get(wanted, msgspec.Raw())) or (b"[0]" if "generateContentRequest" in given else b"")
    if asked.translate(None, b" \t\r\n") in {b"", b"null", b"[]", b"{}"}:
        raise InvalidRequest(f"`{wanted}` is missing.", param=wanted)
    call = ModelCall(
        operation=operation,
        wire=Wire.GEMINI,
        model=model,
        body=body,
        stream=method == "streamGenerateContent",
        include_usage=True,
        max_output_tokens=0 if operation is Operation.EMBEDDINGS else None,
        input_tokens_bound=len(body) + 512,  # no tokeniser makes more tokens than bytes; tools add some words of Google's own
        path=f"{path}?{query}" if query else path,
        has_tools="tools" in given,
    )
    if operation is not Operation.CHAT:
        return call
    _read_config(CamelObject(bytes(given.get("generationConfig", b"{}")) or b"{}", "generationConfig"), call)
    _read_media(call)
    return call


def _read_config(config: CamelObject, call: ModelCall) -> None:
    cap = config.whole_number("maxOutputTokens")
    if cap is not None and not 1 <= cap <= MOST_TOKENS:
        raise InvalidRequest(f"maxOutputTokens must be from 1 to {MOST_TOKENS}.", param="generationConfig.maxOutputTokens")
    choices = config.whole_number("candidateCount")
    if choices is not None and not 1 <= choices <= 128:
        raise InvalidRequest("Between 1 and 128 candidates can be asked for.", param="generationConfig.candidateCount")
    needs = NO_NEEDS
    if config.kind("responseSchema") or config.kind("responseJsonSchema"):
        needs |= {JSON_SCHEMA}
    if config.flag("responseLogprobs"):
        needs |= {LOGPROBS}
    if config.kind("thinkingConfig"):
        needs |= {REASONING}
    if call.has_tools:
        needs |= {TOOLS}
    call.max_output_tokens, call.choices, call.needs = cap, choices or 1, needs


def _read_media(call: ModelCall) -> None:
    body = call.body
    needs = call.needs
    inline = body.count(b'"inlineData"') + body.count(b'"inline_data"')
    call.input_tokens_bound += inline * IMAGE_TOKENS + sum(body.count(word) for word in _FULL) * FILE_TOKENS
    if body.find(b'"image/') >= 0:
        needs |= {IMAGES}
    if body.find(b'"fileData"') >= 0 or body.find(b'"file_data"') >= 0 or body.find(b'"application/pdf"') >= 0:
        needs |= {FILES}
    if body.find(b'"audio/') >= 0:
        needs |= {AUDIO}
    call.needs = needs
