"""Members that the domain has no word for, on their way into one vendor's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ninefold.domain.errors import Unsupported

Known = Mapping[str, Sequence[str] | None]


def write(extra: Sequence[tuple[str, str]], known: Known, *, harmless: Known, vendor: str) -> dict[str, object]:
    """The members of `extra` that the vendor has itself, as they were; those in `harmless` are left out.

    Both tables map a name to the JSON texts it may have, None for any. Raises: Unsupported for everything else, by its path.
    """
    members: dict[str, object] = {}
    for name, text in extra:
        if name in harmless and _fits(text, harmless[name]):
            continue
        if name not in known or not _fits(text, known[name]):
            raise Unsupported(f"{vendor} has nothing like `{name}`; leave it out or ask for a model of its own vendor.", param=name)
        members[name] = msgspec.Raw(text.encode())
    return members


def _fits(text: str, allowed: Sequence[str] | None) -> bool:
    return allowed is None or text in allowed
