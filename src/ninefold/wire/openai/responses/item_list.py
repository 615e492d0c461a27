"""The input items of a stored response, a page at a time.

Source: platform.openai.com/docs/api-reference/responses/input-items.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ninefold.domain.errors import InvalidRequest
from ninefold.wire.json_members import ABSENT, Members, encode, raw
from ninefold.wire.openai.responses.ids import item_id

_objects = msgspec.json.Decoder(list[Members])
_KINDS = {b'"message"': "msg", b'"function_call"': "fc", b'"function_call_output"': "fco", b'"reasoning"': "rs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is asked for: `after` is the id of an item that was on the page before."""

    newest_first: bool = True
    limit: int = 20
    after: str | None = None


def _in_parts(item: Members) -> Members:
    """The item with its content as parts, though it may have been asked as plain text."""
    content = item.get("content", ABSENT)
    if not bytes(content).startswith(b'"'):
        return item
    if bytes(item.get("role", ABSENT)) == b'"assistant"':
        part: dict[str, object] = {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
    else:
        part = {"type": "input_text", "text": content}
    return item | {"content": raw([part])}


def encode_list(items: bytes, response: str, page: Page) -> bytes:
    """The page. Raises: InvalidRequest where `after` is no item of this response."""
    found: list[tuple[str, Members]] = []
    for index, item in enumerate(_objects.decode(items)):
        name = item_id(_KINDS.get(bytes(item.get("type", b"")), "item"), f"{response}_in", index)
        found.append((name, {"id": raw(name)} | _in_parts(item) | {"status": raw("completed")}))
    if page.newest_first:
        found.reverse()
    start = 0
    if page.after is not None:
        names = [name for name, _ in found]
        if page.after not in names:
            raise InvalidRequest("There is no such item in this response.", param="after")
        start = names.index(page.after) + 1
    shown = found[start : start + page.limit]
    return encode(
        {
            "object": "list",
            "data": [item for _, item in shown],
            "first_id": shown[0][0] if shown else None,
            "last_id": shown[-1][0] if shown else None,
            "has_more": start + page.limit < len(found),
        }
    )
