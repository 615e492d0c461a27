"""Where lines are written down as they come."""

from __future__ import annotations

import re
from typing import Protocol

from ninefold.domain.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


def checked_name(name: str) -> str:
    """`name`, which is safe in a path. Raises: InvalidRequest where it is not."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest("a log is named by letters, digits, dots, dashes and underscores")
    return name


class LineLog(Protocol):
    """Named logs that only grow.

    Laws (tests/contracts/test_line_log.py): what `append` has returned from is there after a crash, in its order; a crash in the middle
    of an append leaves a beginning of it.
    On failure: Unavailable (a full disk).
    Default: `ninefold.adapters.blobs.line_folder`; `ninefold.adapters.memory.lines` in tests.
    """

    async def append(self, name: str, data: bytes) -> None:
        """`data` is on stable storage, at the end of the log."""
        ...

    async def read(self, prefix: str) -> tuple[tuple[str, bytes], ...]:
        """The logs whose names begin so, by name, with all that is in them."""
        ...

    async def drop(self, prefix: str) -> None:
        """No log has a name that begins so; idempotent."""
        ...
