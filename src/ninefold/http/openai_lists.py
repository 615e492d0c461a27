"""Which part of a list is asked for, as OpenAI's clients say it."""

from __future__ import annotations

from urllib.parse import parse_qs

from ninefold.domain.errors import InvalidRequest
from ninefold.ports.batch_store import Page


def page_of(query: str, *, known: frozenset[str], default: int, most: int) -> tuple[Page, dict[str, str]]:
    """The page, with one more than it shows, and the other parameters among `known`. Raises: InvalidRequest."""
    found = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    limit, after, order = found.pop("limit", str(default)), found.pop("after", None), found.pop("order", "desc")
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"There is no parameter {unknown[:100]!r}.", param=unknown[:100])
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= most):
        raise InvalidRequest(f"`limit` is a number from 1 to {most}.", param="limit")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("`order` is asc or desc.", param="order")
    return Page(limit=int(limit) + 1, after=after, oldest_first=order == "asc"), found
