"""The server's side of one HTTP exchange, free of any server's details: a request that was read, and a reply to be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Exchange(Protocol):
    """One request and its reply on one connection.

    The task that handles an exchange is cancelled as soon as the client has gone. `headers` has lower-case names; a repeated header
    is joined with ", ". Header blocks given to `reply` and `start` are ready lines (`b"content-type: application/json\\r\\n"`); the
    server adds content-length or transfer-encoding and the connection header itself.

    Laws (tests/contracts/test_exchange.py): a reply is sent once; a chunked reply that was not finished closes the connection without
    the last chunk, so that a client can tell; `write` waits while the client reads slowly; what came before a reply is sent whole.
    On failure: a broken connection cancels the handler; `write` raises ConnectionError.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str

    async def body(self, max_bytes: int) -> bytes:
        """The whole request body. Raises: TooLarge as soon as it is known to be longer; InvalidRequest where it ends too early."""
        ...

    def reply(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole reply is on its way."""
        ...

    def start(self, status: int, headers: bytes) -> None:
        """The head of a streamed reply is on its way."""
        ...

    async def write(self, data: bytes) -> None:
        """`data` is on its way; returns once there is room for more."""
        ...

    def finish(self) -> None:
        """The streamed reply is complete."""
        ...

    def abort(self) -> None:
        """The connection is closed at once; a streamed reply stays visibly incomplete."""
        ...
