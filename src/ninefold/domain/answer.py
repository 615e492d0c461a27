"""An answer in the caller's own protocol, with a place kept free for what Ninefold adds to it."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.domain.chat import ToolCall
from ninefold.domain.usage import NO_USAGE, Usage


@dataclass(slots=True, kw_only=True)
class Splice:
    """Bytes with the place where one more JSON member fits: `before` + member + `after`.

    `comma` is False where the member would be the first of its object. Nothing is ever added to bytes that are `sealed`.
    """

    before: bytes
    after: bytes
    comma: bool = True
    sealed: bool = False

    def with_member(self, member: bytes) -> bytes:
        """The bytes with `member` (a `"name":value` pair) in place."""
        if self.sealed:
            return self.before + self.after
        return self.before + (b"," if self.comma else b"") + member + self.after

    def plain(self) -> bytes:
        """The bytes as they were."""
        return self.before + self.after


@dataclass(slots=True, kw_only=True)
class Whole:
    """A complete answer. A body that is not JSON stays as it is: nothing is added to it.

    `status` is 200, or what a vendor's own endpoint said to a request that was passed on. `support` is how far a local or rules
    deployment stands behind its answer, from 0 to 1; None where it does not say.
    """

    body: Splice
    usage: Usage = NO_USAGE
    tool_calls: tuple[ToolCall, ...] = ()
    content_type: str = "application/json"
    support: float | None = None
    status: int = 200
