"""`/v1/batches`, `/v1/batches/{id}` and `/v1/batches/{id}/cancel`: many calls, made in the background."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from ninefold.domain.batch import Batch
from ninefold.domain.errors import InvalidRequest, NotFound
from ninefold.domain.principal import Principal
from ninefold.http.openai_lists import page_of
from ninefold.http.visit import Visit
from ninefold.ports.batch_store import BatchStore
from ninefold.wire.openai.batches import request, response

PATH = "/v1/batches"
_CANCEL = "/cancel"
_MAX_BODY_BYTES = 64 * 1024


class Batches:
    """Answers for batches; a batch runs wherever a worker claims it."""

    def __init__(self, store: BatchStore, wall: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._store = store
        self._wall = wall
        self._new_id = new_id

    async def answer(self, visit: Visit, who: Principal) -> None:
        """The reply is complete. Raises: NotFound, InvalidRequest, Unsupported, Conflict, TooLarge, Unavailable."""
        exchange = visit.exchange
        rest = unquote(exchange.path.removeprefix(PATH).strip("/"))
        match exchange.method, rest:
            case "POST", "":
                body = response.encode_one(await self._create(who, await exchange.body(_MAX_BODY_BYTES)))
            case "GET", "":
                page, _ = page_of(exchange.query, known=frozenset(), default=20, most=100)
                found = await self._store.batches(who.tenant, page)
                body = response.encode_list(found[: page.limit - 1], more=len(found) == page.limit)
            case "GET", _:
                body = response.encode_one(await self._store.batch(who.tenant, rest))
            case "POST", _ if rest.endswith(_CANCEL):
                body = response.encode_one(await self._store.cancel(who.tenant, rest.removesuffix(_CANCEL), self._wall()))
            case _:
                raise InvalidRequest(f"{exchange.path[:200]} does not take {exchange.method}.")
        visit.status = 200
        exchange.reply(200, visit.headers("application/json"), body)

    async def _create(self, who: Principal, body: bytes) -> Batch:
        asked = request.decode(body)
        try:
            file = await self._store.file(who.tenant, asked.input_file_id)
        except NotFound as error:
            raise InvalidRequest(error.detail, param="input_file_id") from error
        if file.purpose != "batch":
            raise InvalidRequest("The file was not uploaded with the purpose `batch`.", param="input_file_id")
        at = self._wall()
        start = max(at, asked.start_after)
        batch = Batch(
            tenant=who.tenant,
            batch_id=f"batch_{self._new_id()}",
            key_id=who.key_id,
            endpoint=asked.endpoint,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            created_at=at,
            expires_at=start + asked.window_s,
            start_after=start,
            metadata=asked.metadata,
        )
        await self._store.add_batch(batch)
        return batch
