"""`/v1/files`, `/v1/files/{id}` and `/v1/files/{id}/content`: what a tenant keeps here, for that tenant alone."""

from __future__ import annotations

from urllib.parse import unquote

from ninefold.domain.errors import InvalidRequest
from ninefold.domain.principal import Principal
from ninefold.http.file_shelf import FileShelf
from ninefold.http.openai_lists import page_of
from ninefold.http.visit import Visit
from ninefold.wire.openai.files import request, response

PATH = "/v1/files"
_CONTENT = "/content"
_MOST = 10_000
_JSON = "application/json"


class Files:
    """Answers for files."""

    def __init__(self, shelf: FileShelf) -> None:
        self._shelf = shelf

    async def answer(self, visit: Visit, who: Principal, max_bytes: int) -> None:
        """The reply is complete. Raises: NotFound, InvalidRequest, Unsupported, Conflict, TooLarge, Unavailable."""
        exchange = visit.exchange
        rest = unquote(exchange.path.removeprefix(PATH).strip("/"))
        kind, body = _JSON, b""
        match exchange.method, rest:
            case "POST", "":
                asked = request.decode(await exchange.body(max_bytes), exchange.headers.get("content-type", ""))
                body = response.encode_one(await self._shelf.upload(who.tenant, asked.name, asked.purpose, asked.data))
            case "GET", "":
                page, others = page_of(exchange.query, known=frozenset({"purpose"}), default=_MOST, most=_MOST)
                found = await self._shelf.store.files(who.tenant, others.get("purpose"), page)
                body = response.encode_list(found[: page.limit - 1], more=len(found) == page.limit)
            case "GET", _ if rest.endswith(_CONTENT):
                file = await self._shelf.store.file(who.tenant, rest.removesuffix(_CONTENT))
                kind, body = "application/octet-stream", await self._shelf.content(file)
            case "GET", _:
                body = response.encode_one(await self._shelf.store.file(who.tenant, rest))
            case "DELETE", _ if rest:
                await self._shelf.drop(who.tenant, rest)
                body = response.encode_deleted(rest)
            case _:
                raise InvalidRequest(f"{exchange.path[:200]} does not take {exchange.method}.")
        visit.status = 200
        exchange.reply(200, visit.headers(kind), body)
