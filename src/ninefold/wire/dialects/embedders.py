"""The caller's side of a translation of embeddings: whichever protocol a call came in, as texts and vectors."""

from __future__ import annotations

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Wire
from ninefold.domain.embedding import EmbeddingRequest, EmbeddingResult
from ninefold.wire.gemini.embeddings import request as gemini_request
from ninefold.wire.gemini.embeddings import response as gemini_response
from ninefold.wire.gemini.embeddings.passthrough import is_batch
from ninefold.wire.openai.embeddings import request as openai_request
from ninefold.wire.openai.embeddings import response as openai_response


def decode(call: ModelCall) -> EmbeddingRequest:
    """The texts. Raises: InvalidRequest naming the field."""
    return gemini_request.decode(call.body, call.model) if call.wire is Wire.GEMINI else openai_request.decode(call.body)


def encode(call: ModelCall, result: EmbeddingResult) -> Whole:
    """The vectors under the name the caller used, in the encoding it asked for."""
    if call.wire is Wire.GEMINI:
        body = gemini_response.encode(result, batch=is_batch(call))
    else:
        body = openai_response.encode(result, model=call.model, encoding=decode(call).encoding)
    return Whole(body=Splice(before=body[:-1], after=b"}"), usage=result.usage)


def sent_bytes(asked: EmbeddingRequest) -> int:
    """How much text is to be embedded."""
    return sum(len(text.encode()) for text in asked.texts)
