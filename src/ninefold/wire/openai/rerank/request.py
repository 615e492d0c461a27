"""Rerank requests as our own worker reads them.

Source: docs.cohere.com/v2/reference/rerank and api.jina.ai/redoc (rerank): one shape, of which Jina's documents may also be objects.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.domain.rerank import RerankRequest
from ninefold.wire.json_members import invalid, members

MAX_DOCUMENTS = 2048


class _Document(msgspec.Struct):
    text: str


class _Request(msgspec.Struct):
    model: str
    query: str
    documents: list[str | _Document]
    top_n: int | None = None
    return_documents: bool | None = None


_decoder = msgspec.json.Decoder(_Request)
_NAMES = frozenset(_Request.__struct_fields__)


def decode(body: bytes) -> RerankRequest:
    """The request in `body`. Raises: InvalidRequest naming the field; Unsupported for a member that only other models know."""
    try:
        found = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise invalid(error) from None
    unknown = next((name for name in members(body) if name not in _NAMES), None)
    if unknown is not None:
        raise Unsupported(f"Local models do not know `{unknown}`.", param=unknown)
    if not found.documents:
        raise InvalidRequest("There is nothing to put in order.", param="documents")
    if len(found.documents) > MAX_DOCUMENTS:
        raise InvalidRequest(f"At most {MAX_DOCUMENTS} documents are put in order at once.", param="documents")
    if found.top_n is not None and found.top_n < 1:
        raise InvalidRequest("`top_n` must be at least 1.", param="top_n")
    return RerankRequest(
        model=found.model,
        query=found.query,
        documents=tuple(each if isinstance(each, str) else each.text for each in found.documents),
        top_n=found.top_n,
        with_documents=found.return_documents is True,
    )
