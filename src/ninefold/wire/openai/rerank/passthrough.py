"""Reranking by a vendor that speaks the shape of Cohere and Jina: the bytes pass, the model's name changes.

Source: docs.cohere.com/v2/reference/rerank; docs.vllm.ai, "Re-rank API".
"""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, UpstreamRejected
from ninefold.domain.usage import Usage
from ninefold.wire import json_members
from ninefold.wire.json_members import encode, members, raw
from ninefold.wire.openai.chat.passthrough import renamed
from ninefold.wire.token_count import TokenCount


class _Document(msgspec.Struct):
    text: str | None = None


class _Envelope(msgspec.Struct):
    model: str
    query: str
    documents: list[str | _Document]
    top_n: int | None = None


class _Usage(msgspec.Struct):
    total_tokens: TokenCount = 0
    prompt_tokens: TokenCount | None = None


class _Tokens(msgspec.Struct):
    input_tokens: TokenCount = 0


class _Meta(msgspec.Struct):
    tokens: _Tokens | None = None


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]
    model: str | None = None
    usage: _Usage | None = None
    meta: _Meta | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_answer = msgspec.json.Decoder(_Answer)


def read(body: bytes) -> ModelCall:
    """The call in `body`. Raises: InvalidRequest naming the field."""
    found = json_members.read(_envelope, body)
    if not found.model:
        raise InvalidRequest("A model must be named.", param="model")
    if not found.documents:
        raise InvalidRequest("There is nothing to put in order.", param="documents")
    if found.top_n is not None and found.top_n < 1:
        raise InvalidRequest("`top_n` must be at least 1.", param="top_n")
    # A model that looks at query and document together reads the query once a document.
    bound = len(body) + len(found.query.encode()) * len(found.documents)
    return ModelCall(
        operation=Operation.RERANK, wire=Wire.OPENAI, model=found.model, body=body, input_tokens_bound=bound, max_output_tokens=0
    )


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body under the vendor's model name."""
    fields = members(call.body)
    fields["model"] = raw(model)
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's order under the name the caller used."""
    try:
        found = _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not an order of documents: {error}.") from None
    if found.model is not None:
        body = renamed(body, found.model, call.model)
    body = body.rstrip()
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=_usage(call, found))


def _usage(call: ModelCall, found: _Answer) -> Usage:
    if found.usage is not None:
        return Usage(input_tokens=found.usage.total_tokens if found.usage.prompt_tokens is None else found.usage.prompt_tokens)
    if found.meta is not None and found.meta.tokens is not None:
        return Usage(input_tokens=found.meta.tokens.input_tokens)
    return Usage(input_tokens=(len(call.body) + 3) // 4, estimated=True)
