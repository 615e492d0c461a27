"""The keys of one deployment, of which one that a vendor refused or limited rests for a while."""

from __future__ import annotations

from typing import Final

from ninefold.domain.errors import NinefoldError, RateLimited

DENIED_REST_S: Final = 300.0
LIMITED_REST_S: Final = 30.0

# Not the right key, no money behind it, or not allowed.
_DENIED = frozenset({401, 402, 403})


def rest_s(status: int, error: NinefoldError, body: bytes) -> float | None:
    """How long a key should rest after this answer; None where the answer is not about the key.

    Source: platform.openai.com/docs/guides/error-codes: a 429 of the code `insufficient_quota` is an account without credit.
    """
    if status in _DENIED or (status == 429 and body.find(b"insufficient_quota") >= 0):
        return DENIED_REST_S
    if status == 429 or isinstance(error, RateLimited):
        return LIMITED_REST_S if error.retry_after_s is None else error.retry_after_s
    return None


class KeyRing:
    """Header lines with one key each, in order of preference; times are of the event loop's clock."""

    __slots__ = ("_lines", "_until")

    def __init__(self, lines: tuple[bytes, ...]) -> None:
        self._lines = lines
        self._until = [0.0] * len(lines)

    def __getitem__(self, index: int) -> bytes:
        return self._lines[index]

    def pick(self, now: float) -> int:
        """The first key that does not rest; where all do, the one whose rest ends first: asking is better than refusing unasked."""
        until = self._until
        for index, at in enumerate(until):
            if at <= now:
                return index
        return until.index(min(until))

    def rest(self, index: int, for_s: float, now: float) -> bool:
        """The key rests; whether another one can be asked at once."""
        self._until[index] = now + for_s
        return any(at <= now for at in self._until)
