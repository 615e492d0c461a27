"""Everything the gateway's port answers, by path."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from ninefold.domain.errors import Internal, InvalidRequest, NinefoldError, NotFound, Unavailable
from ninefold.gateway.answer import Answer
from ninefold.gateway.complete import Gateway
from ninefold.http import errors
from ninefold.http.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from ninefold.http.control_proxy import ControlProxy
from ninefold.http.gemini_generate import GEMINI_GENERATE, as_asked, get_gemini_models
from ninefold.http.gemini_generate import PREFIX as GEMINI_MODELS
from ninefold.http.models import get_models
from ninefold.http.openai_batches import PATH as BATCHES
from ninefold.http.openai_batches import Batches
from ninefold.http.openai_chat import OPENAI_CHAT
from ninefold.http.openai_completions import OPENAI_COMPLETIONS
from ninefold.http.openai_embeddings import OPENAI_EMBEDDINGS
from ninefold.http.openai_files import PATH as FILES
from ninefold.http.openai_files import Files
from ninefold.http.openai_media import OPENAI_IMAGES, OPENAI_SPEECH, OPENAI_TRANSCRIPTION
from ninefold.http.openai_moderations import OPENAI_MODERATIONS
from ninefold.http.openai_rerank import OPENAI_RERANK
from ninefold.http.openai_responses import OPENAI_RESPONSES, Conversations
from ninefold.http.pass_through import PASS_THROUGH
from ninefold.http.pass_through import PREFIX as PASS_THROUGH_PREFIX
from ninefold.http.serve_call import Surface, serve_call
from ninefold.http.visit import Ids, Visit
from ninefold.identity.authenticate import KeyIndex, authenticate
from ninefold.ports.exchange import Exchange

_log = logging.getLogger("ninefold.data_plane")

SURFACES: dict[str, Surface] = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/messages": ANTHROPIC_MESSAGES,
    "/v1/messages/count_tokens": ANTHROPIC_COUNT_TOKENS,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/rerank": OPENAI_RERANK,
    "/v1/moderations": OPENAI_MODERATIONS,
    "/v1/images/generations": OPENAI_IMAGES,
    "/v1/images/edits": OPENAI_IMAGES,
    "/v1/images/variations": OPENAI_IMAGES,
    "/v1/audio/transcriptions": OPENAI_TRANSCRIPTION,
    "/v1/audio/translations": OPENAI_TRANSCRIPTION,
    "/v1/audio/speech": OPENAI_SPEECH,
}
# Paths that hold a name: by prefix, the longest that fits.
PREFIXES: dict[str, Surface] = {GEMINI_MODELS: GEMINI_GENERATE, PASS_THROUGH_PREFIX: PASS_THROUGH}


def _length(found: tuple[int, Surface | None]) -> int:
    return found[0]


def surface_at(path: str) -> Surface | None:
    """The surface that answers `path`, if one does."""
    found = SURFACES.get(path)
    if found is not None or not PREFIXES:
        return found
    return max(((len(prefix), surface) for prefix, surface in PREFIXES.items() if path.startswith(prefix)), key=_length, default=(0, None))[
        1
    ]


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What the data plane needs besides the gateway itself. `unready` says why this worker should get no requests, "" if it should."""

    ids: Ids
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    metrics_text: Callable[[], bytes]
    unready: Callable[[], str]
    control: ControlProxy
    conversations: Conversations
    files: Files
    batches: Batches
    observe: Callable[[Visit, Surface | None, Answer | None, NinefoldError | None], None]


class DataPlane:
    """Handles exchanges: finds the surface, authenticates, and renders whatever goes wrong in the caller's own envelope."""

    def __init__(self, gateway: Gateway, keys: KeyIndex, surroundings: Surroundings) -> None:
        self.gateway = gateway
        self.keys = keys
        self._around = surroundings

    async def handle(self, exchange: Exchange) -> None:
        """The exchange is answered."""
        around = self._around
        visit = Visit(
            exchange=exchange,
            trace=around.ids.trace(exchange.headers.get("traceparent")),
            request_id=(request_id := around.ids.request_id()),
            decision_id="dec-" + request_id,
            began=around.monotonic(),
            started_at=around.wall(),
        )
        surface = SURFACES.get(exchange.path) or surface_at(exchange.path)
        if surface is GEMINI_GENERATE:
            surface = as_asked(exchange.method, exchange.query)
        try:
            if surface is not None:
                await self._model_call(visit, surface)
            else:
                await self._other(visit)
        except NinefoldError as error:
            self._refuse(visit, surface, error)
        except ConnectionError:
            around.observe(visit, surface, None, None)  # the client left; its task is about to be cancelled
        except Exception as error:  # noqa: BLE001 - the boundary of the data plane: a defect of ours is an opaque 500 with a trace id
            _log.error("request.failed", exc_info=error, extra={"trace_id": visit.trace.trace_id, "path": exchange.path})
            self._refuse(visit, surface, Internal("An unexpected failure."))

    async def _model_call(self, visit: Visit, surface: Surface) -> None:
        if visit.exchange.method not in surface.methods:
            raise InvalidRequest(f"{visit.exchange.path[:200]} takes {' or '.join(surface.methods)}.")
        who = authenticate(self.keys, visit.exchange.headers, visit.started_at)
        visit.who = who

        def observe(seen: Visit, answer: Answer | None) -> None:
            self._around.observe(seen, surface, answer, None)

        memory = None
        if surface is OPENAI_RESPONSES:
            snapshot = self.gateway.snapshot
            memory = self._around.conversations.turn(who, snapshot.responses_ttl_s, snapshot.max_body_bytes)
        await serve_call(visit, self.gateway, surface, who, observe, memory)

    async def _other(self, visit: Visit) -> None:
        exchange, path = visit.exchange, visit.exchange.path
        if path == "/healthz":
            _text(visit, 200, b"ok\n")
        elif path == "/readyz":
            reason = self._around.unready()
            if reason:
                raise Unavailable(f"Not ready: {reason}.", retry_after_s=1)
            _text(visit, 200, b"ready\n")
        elif path == "/metrics":
            visit.status = 200
            exchange.reply(200, b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n", self._around.metrics_text())
        elif path == "/v1/models" or path.startswith("/v1/models/"):
            visit.who = authenticate(self.keys, exchange.headers, visit.started_at)
            if exchange.method not in {"GET", "HEAD"}:
                raise InvalidRequest(f"{path} takes GET.")
            get_models(visit, self.gateway.snapshot, visit.who, unquote(path[11:]) or None)
        elif path == GEMINI_MODELS[:-1] or path.startswith(GEMINI_MODELS):
            visit.who = authenticate(self.keys, exchange.headers, visit.started_at)
            if exchange.method not in {"GET", "HEAD"}:
                raise InvalidRequest(f"{path} takes GET.")
            get_gemini_models(visit, self.gateway.snapshot, visit.who, unquote(path[len(GEMINI_MODELS) :]) or None)
        elif path.startswith("/v1/responses/"):
            visit.who = authenticate(self.keys, exchange.headers, visit.started_at)
            await self._around.conversations.answer(visit, visit.who)
        elif path == FILES or path.startswith(FILES + "/"):
            visit.who = authenticate(self.keys, exchange.headers, visit.started_at)
            await self._around.files.answer(visit, visit.who, self.gateway.snapshot.max_body_bytes)
        elif path == BATCHES or path.startswith(BATCHES + "/"):
            visit.who = authenticate(self.keys, exchange.headers, visit.started_at)
            await self._around.batches.answer(visit, visit.who)
        elif path.startswith("/api/"):
            await self._around.control.forward(visit)
        elif path in {"/", "/console", "/docs"} or path.startswith("/console/"):
            self._around.control.redirect(visit)
        else:
            raise NotFound(f"There is nothing at {path[:200]}.")

    def _refuse(self, visit: Visit, surface: Surface | None, error: NinefoldError) -> None:
        """Rendered if nothing was sent yet; after that the connection shows that the answer is incomplete."""
        if visit.status:
            visit.exchange.abort()
        else:
            status, lines, body = render_error(visit, error)
            visit.status = status
            visit.exchange.reply(status, lines, body)
        self._around.observe(visit, surface, None, error)

    def stray_error(self, path: str, error: NinefoldError) -> tuple[int, bytes, bytes]:
        """Status, header lines and body for a request that never became an exchange: malformed, too slow, too large."""
        trace = self._around.ids.trace(None)
        request_id = self._around.ids.request_id()
        return _rendered(path, error, trace.trace_id, request_id)


def render_error(visit: Visit, error: NinefoldError) -> tuple[int, bytes, bytes]:
    """Status, header lines and body in the envelope of whoever asks."""
    anthropic = "anthropic-version" in visit.exchange.headers
    status, lines, body = _rendered(visit.exchange.path, error, visit.trace.trace_id, visit.request_id, anthropic=anthropic)
    if visit.who is not None and visit.model:
        lines += b"x-ninefold-decision-id: " + visit.decision_id.encode() + b"\r\n"
    return status, lines, body


def _rendered(path: str, error: NinefoldError, trace_id: str, request_id: str, *, anthropic: bool = False) -> tuple[int, bytes, bytes]:
    kind = b"application/json"
    surface = surface_at(path)
    if surface is not None:
        body = surface.error_body(error, request_id)
    elif anthropic or path.startswith("/v1/messages"):
        body = errors.anthropic_body(error, request_id)
    elif path.startswith("/v1beta/"):
        body = errors.gemini_body(error)
    elif path.startswith(("/api/", "/healthz", "/readyz", "/metrics")):
        body, kind = errors.problem_body(error, trace_id), b"application/problem+json"
    else:
        body = errors.openai_body(error)
    lines = b"content-type: %b\r\nx-ninefold-trace-id: %b\r\nx-request-id: %b\r\nrequest-id: %b\r\n" % (
        kind,
        trace_id.encode(),
        request_id.encode(),
        request_id.encode(),
    )
    return errors.row(error).status, lines + errors.headers(error), body


def _text(visit: Visit, status: int, body: bytes) -> None:
    visit.status = status
    visit.exchange.reply(status, b"content-type: text/plain\r\n", body)
