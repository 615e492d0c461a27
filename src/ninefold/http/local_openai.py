"""The worker's own OpenAI-shaped API: what the gateway's `local` deployments talk to, over a Unix socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ninefold.domain.chat import ChatRequest, ChatResult, Choice, Opened, Text, TextDelta, UsageReported
from ninefold.domain.embedding import EmbeddingRequest, EmbeddingResult
from ninefold.domain.errors import Internal, InvalidRequest, ModelNotFound, NinefoldError, NotFound, Unavailable, Unsupported
from ninefold.domain.usage import Usage
from ninefold.http import errors
from ninefold.http.local_model import LocalModel, refuse_extras
from ninefold.http.local_rerank import reranked
from ninefold.http.local_work import Ended, LocalWork, Said
from ninefold.knowledge.answer import Citation
from ninefold.ports.embedder import Embedder
from ninefold.ports.exchange import Exchange
from ninefold.wire.openai import models
from ninefold.wire.openai.chat import request as chat_request
from ninefold.wire.openai.chat import response as chat_response
from ninefold.wire.openai.chat.stream import Encoder
from ninefold.wire.openai.embeddings import request as embedding_request
from ninefold.wire.openai.embeddings import response as embedding_response
from ninefold.wire.openai.rerank import request as rerank_request

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_EMBEDDED_TEXTS = 2048  # Source: platform.openai.com/docs/api-reference/embeddings/create
EMBED_MODEL = "embed"
_JSON = b"content-type: application/json\r\n"
_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_log = logging.getLogger("ninefold.local")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModels:
    """What this process serves. `find` gives the chat model of a name, None where there is none; `names` lists those known."""

    find: Callable[[str], LocalModel | None]
    names: Callable[[], Sequence[str]]
    embedder: Embedder | None


class LocalApi:
    """Handles exchanges: `/v1/chat/completions`, `/v1/embeddings`, `/v1/rerank`, `/v1/models`, `/healthz`."""

    def __init__(self, served: LocalModels, work: LocalWork, *, wall: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._served = served
        self._work = work
        self._wall = wall
        self._new_id = new_id

    async def handle(self, exchange: Exchange) -> None:
        """The exchange is answered, whatever went wrong."""
        try:
            await self._route(exchange)
        except NinefoldError as error:
            exchange.reply(*render_error(exchange.path, error))
        except ConnectionError:
            return  # the gateway hung up
        except Exception as error:  # noqa: BLE001 - the boundary of this surface: a defect of ours is an opaque 500
            _log.error("local.failed", exc_info=error)
            exchange.reply(*render_error(exchange.path, Internal("An unexpected failure.")))

    async def _route(self, exchange: Exchange) -> None:
        method, path = exchange.method, exchange.path
        if path == "/v1/chat/completions" and method == "POST":
            await self._chat(exchange)
        elif path == "/v1/embeddings" and method == "POST":
            await self._embed(exchange)
        elif path == "/v1/rerank" and method == "POST":
            await self._rerank(exchange)
        elif path == "/v1/models" and method == "GET":
            names = [*self._served.names(), *([EMBED_MODEL] if self._served.embedder is not None else [])]
            exchange.reply(200, _JSON, models.encode_list([(name, 0) for name in names]))
        elif path == "/healthz" and method == "GET":
            exchange.reply(200, b"content-type: text/plain\r\n", b"ok\n")
        else:
            raise NotFound(f"There is nothing at {method} {path[:200]}.")

    async def _chat(self, exchange: Exchange) -> None:
        request = chat_request.decode(await exchange.body(MAX_BODY_BYTES))
        refuse_extras(request)
        model = self._served.find(request.model)
        if model is None:
            raise ModelNotFound(f"There is no local model {request.model[:100]!r}.", param="model")
        spoken = self._work.chat(model, request)
        try:
            if request.stream:
                await self._stream(exchange, request, spoken)
            else:
                await self._whole(exchange, request, spoken, quotes=model.quotes)
        finally:
            await spoken.aclose()

    async def _whole(self, exchange: Exchange, request: ChatRequest, spoken: AsyncGenerator[Said | Ended, None], *, quotes: bool) -> None:
        texts: list[str] = []
        citations: list[Citation] = []
        async for each in spoken:
            if isinstance(each, Said):
                texts.append(each.text)
                citations += each.citations
                continue
            choice = Choice(parts=(Text(text="".join(texts)),), finish=each.finished.reason, stop_sequence=each.finished.stop_sequence)
            result = ChatResult(result_id="", model=request.model, choices=(choice,), usage=each.usage)
            body = chat_response.encode(result, model=request.model, result_id=f"chatcmpl-{self._new_id()}", created=int(self._wall()))
            if quotes:
                body = body[:-1] + b',"ninefold_support":%d}' % bool(citations)
            exchange.reply(200, _JSON, annotated(body, citations))

    async def _stream(self, exchange: Exchange, request: ChatRequest, spoken: AsyncGenerator[Said | Ended, None]) -> None:
        """Nothing is sent before the first text is known, so that an error until then has its own status."""
        encoder = Encoder(
            model=request.model, result_id=f"chatcmpl-{self._new_id()}", created=int(self._wall()), include_usage=request.include_usage
        )
        begun = False
        try:
            async for each in spoken:
                if not begun:
                    begun = True
                    exchange.start(200, _STREAM)
                    await exchange.write(encoder.encode(Opened(result_id="", model=request.model)))
                if isinstance(each, Said):
                    event = encoder.encode(TextDelta(text=each.text))
                    await exchange.write(with_annotations(event, each.citations))
                else:
                    held = encoder.encode(each.finished) + encoder.encode(UsageReported(usage=each.usage))
                    before, after = encoder.finish()
                    await exchange.write(held + before + after)
        except NinefoldError as error:
            if not begun:
                raise
            await exchange.write(errors.openai_event(error))
        exchange.finish()

    async def _embed(self, exchange: Exchange) -> None:
        request = embedding_request.decode(await exchange.body(MAX_BODY_BYTES))
        embedder = self._embedder(request)
        # Shielded, so that a job counts as pending until its thread is done, even if nobody waits any more.
        result = await asyncio.shield(self._work.submit(lambda: _embedded(embedder, request)))
        exchange.reply(200, _JSON, embedding_response.encode(result, model=request.model, encoding=request.encoding))

    async def _rerank(self, exchange: Exchange) -> None:
        request = rerank_request.decode(await exchange.body(MAX_BODY_BYTES))
        embedder = self._named(request.model)
        exchange.reply(200, _JSON, await asyncio.shield(self._work.submit(lambda: reranked(embedder, request))))

    def _named(self, model: str) -> Embedder:
        embedder = self._served.embedder
        if model != EMBED_MODEL:
            raise ModelNotFound(f"There is no local embedding model {model[:100]!r}.", param="model")
        if embedder is None:
            raise Unavailable("The embedding model is not installed; run `make` or `ninefold doctor`.")
        return embedder

    def _embedder(self, request: EmbeddingRequest) -> Embedder:
        embedder = self._named(request.model)
        if request.dimensions is not None:
            raise Unsupported(f"The vectors have {embedder.dimensions} dimensions and are not shortened.", param="dimensions")
        if request.token_ids:
            raise Unsupported("The local model embeds texts, not another tokenizer's ids.", param="input")
        if len(request.texts) > MAX_EMBEDDED_TEXTS:
            raise InvalidRequest(f"At most {MAX_EMBEDDED_TEXTS} texts are embedded at once.", param="input")
        if request.extra:
            name = request.extra[0][0]
            raise Unsupported(f"Local models do not know `{name}`.", param=name)
        return embedder


def _embedded(embedder: Embedder, request: EmbeddingRequest) -> EmbeddingResult:
    rows: list[list[float]] = embedder.embed(request.texts).tolist()
    usage = Usage(input_tokens=embedder.count_tokens(request.texts))
    return EmbeddingResult(model=embedder.model_id, vectors=tuple(tuple(row) for row in rows), usage=usage)


def render_error(path: str, error: NinefoldError) -> tuple[int, bytes, bytes]:
    """Status, header lines and body in OpenAI's envelope; also for requests that never became an exchange."""
    del path
    return errors.row(error).status, _JSON + errors.headers(error), errors.openai_body(error)


def annotated(body: bytes, citations: Sequence[Citation]) -> bytes:
    """The answer with `message.annotations`: where each quotation stands in its source."""
    if not citations:
        return body
    answer: dict[str, Any] = msgspec.json.decode(body)
    answer["choices"][0]["message"]["annotations"] = [_annotation(citation) for citation in citations]
    return msgspec.json.encode(answer)


def with_annotations(event: bytes, citations: Sequence[Citation]) -> bytes:
    """A chunk with `delta.annotations`; the protocol's encoder has no word for them."""
    mark = b'},"logprobs":null,"finish_reason":null}]'
    head, found, tail = event.rpartition(mark)
    if not (citations and found):
        return event
    return head + b',"annotations":' + msgspec.json.encode([_annotation(citation) for citation in citations]) + found + tail


def _annotation(citation: Citation) -> dict[str, object]:
    return {"type": "citation", "source": citation.source, "start": citation.start, "end": citation.end, "text": citation.text}
