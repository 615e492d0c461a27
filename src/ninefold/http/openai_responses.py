"""`POST /v1/responses`, and what is kept of its answers: `/v1/responses/{id}` and `/v1/responses/{id}/input_items`.

Every answer of ours has an id of ours, whichever deployment made it, and its conversation is kept by us: whoever continues it is not
bound to the deployment that began it, and a tenant finds its own answers alone.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import InvalidRequest, NinefoldError, NotFound, TooLarge, Unavailable, Unsupported
from ninefold.domain.principal import Principal
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.http.visit import Visit
from ninefold.ports.response_store import ResponseStore, StoredResponse
from ninefold.wire.json_members import encode
from ninefold.wire.openai.responses import conversation, envelope, item_list
from ninefold.wire.openai.responses.events import last_number
from ninefold.wire.openai.responses.ids import may_be_response

_ITEMS = "/input_items"
_MOST_ITEMS = 100


def _read(sent: Sent) -> ModelCall:
    return envelope.read(sent.body)


def _event(error: NinefoldError) -> bytes:
    return errors.responses_event(error, 0)


OPENAI_RESPONSES = Surface(name="openai.responses", read=_read, error_event=_event, error_body=errors.responses_body)


class Conversations:
    """The answers that are kept, for those whose answers they are."""

    def __init__(self, store: ResponseStore, wall: Callable[[], float]) -> None:
        self._store = store
        self._wall = wall

    def turn(self, who: Principal, ttl_s: float, max_bytes: int) -> Turn:
        """The memory of one request; nothing is kept where `ttl_s` is 0. A conversation may grow to `max_bytes`."""
        return Turn(self, who.tenant, ttl_s, max_bytes)

    async def answer(self, visit: Visit, who: Principal) -> None:
        """An answer as it was given, its input items, or its deletion. Raises: NotFound, InvalidRequest, Unsupported, Unavailable."""
        exchange = visit.exchange
        rest = exchange.path.removeprefix("/v1/responses/")
        name = unquote(rest.removesuffix(_ITEMS))
        at = self._wall()
        if exchange.method == "DELETE" and not rest.endswith(_ITEMS):
            _check(name)
            await self._store.delete(who.tenant, name, at)
            body = encode({"id": name, "object": "response", "deleted": True})
        elif exchange.method != "GET":
            raise InvalidRequest(f"{exchange.path[:200]} does not take {exchange.method}.")
        elif rest.endswith(_ITEMS):
            page = _page(exchange.query)
            stored = await self.get(who.tenant, name, at)
            body = item_list.encode_list(stored.items, stored.response_id, page)
        else:
            if parse_qs(exchange.query).get("stream", ["false"])[-1] == "true":
                raise Unsupported("A kept answer comes whole, not as a stream.", param="stream")
            body = (await self.get(who.tenant, name, at)).answer
        visit.status = 200
        exchange.reply(200, visit.headers("application/json"), body)

    async def get(self, tenant: str, name: str, at: float) -> StoredResponse:
        """The answer that is kept under this name. Raises: NotFound; Unavailable."""
        _check(name)
        return await self._store.get(tenant, name, at)

    async def put(self, stored: StoredResponse) -> None:
        """The answer is kept. Raises: Unavailable, saying what to do."""
        try:
            await self._store.put(stored)
        except Unavailable as error:
            raise Unavailable("The answer could not be kept; ask again, or with `store` false.") from error

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._wall()


class Turn:
    """One request in a conversation: what came before it, and what is kept of its answer."""

    def __init__(self, kept: Conversations, tenant: str, ttl_s: float, max_bytes: int) -> None:
        self._kept = kept
        self._tenant = tenant
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._items: bytes | None = None  # what is to be kept of the request; None where nothing is
        self._number = -1

    async def prepare(self, body: bytes) -> bytes:
        """The body with the items that came before; the previous id stays in it, for the answer to repeat."""
        previous, store = conversation.asked(body)
        keeps = store and self._ttl_s > 0
        if store and not keeps:
            body = conversation.not_kept(body)
        if previous is not None:
            body = await self._continued(body, previous)
        if keeps:
            self._items = conversation.input_items(body)
        return body

    async def _continued(self, body: bytes, previous: str) -> bytes:
        try:
            found = await self._kept.get(self._tenant, previous, self._kept.now())
        except NotFound as error:
            raise NotFound(f"There is no previous response {previous[:100]!r}.", param="previous_response_id") from error
        body = conversation.continued(body, found.items, found.answer)
        if len(body) > self._max_bytes:
            raise TooLarge("The conversation has grown larger than a request may be; begin a new one.", param="previous_response_id")
        return body

    async def keep(self, data: bytes) -> None:
        """A finished answer is in the store before its last piece leaves."""
        if data.startswith(b"{"):
            answer = data
        else:
            answer = conversation.response_in(data)
            self._number = last_number(data, self._number)
        if answer is None or self._items is None:
            return
        at = self._kept.now()
        stored = StoredResponse(
            tenant=self._tenant,
            response_id=conversation.answer_id(answer),
            answer=answer,
            items=self._items,
            created_at=at,
            expires_at=at + self._ttl_s,
        )
        await self._kept.put(stored)

    def error_event(self, error: NinefoldError) -> bytes:
        """The error with the number that comes next."""
        return errors.responses_event(error, self._number + 1)


def _check(name: str) -> None:
    if not may_be_response(name):
        raise NotFound(f"There is no response {name[:100]!r}.")


def _page(query: str) -> item_list.Page:
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    order, limit = given.get("order", "desc"), given.get("limit", "20")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("The order is asc or desc.", param="order")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= _MOST_ITEMS:
        raise InvalidRequest(f"Between 1 and {_MOST_ITEMS} items can be asked for.", param="limit")
    return item_list.Page(newest_first=order == "desc", limit=int(limit), after=given.get("after"))
