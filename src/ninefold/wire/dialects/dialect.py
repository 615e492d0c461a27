"""What a vendor's folder offers to the one adapter that speaks HTTP to vendors, and to the surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage


@dataclass(slots=True, kw_only=True)
class Outbound:
    """A request ready to be sent: `target` is the path below the deployment's base URL, `headers` lines of this call alone.

    `content_type` is empty where the dialect's own `headers` say it.
    """

    target: bytes
    body: bytes
    headers: bytes = b""
    method: bytes = b"POST"
    content_type: bytes = b""


class StreamScan(Protocol):
    """Reads a vendor's stream and says what the caller gets of it; pure, fed with bytes as they come.

    Laws (tests/unit/wire/test_scans.py): any split of the input gives the same output; the output is cut at event boundaries;
    `complete` only after the vendor said so.
    """

    started: bool
    complete: bool
    tail: Splice
    # What broke the answer off behind what the last `feed` returned; nothing is fed after it.
    failed: NinefoldError | None

    @property
    def usage(self) -> Usage:
        """As reported by the vendor, else estimated from what was seen."""
        ...

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls assembled so far."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What can be sent on now, perhaps nothing.

        Raises: the vendor's error where it sent one; UpstreamRejected for rubbish; either only where nothing of an answer came before it
        in `data`, for else that is returned and the error is in `failed`.
        """
        ...

    def end(self) -> None:
        """The connection ended properly. Raises: StreamInterrupted unless the answer was complete."""
        ...


class Dialect(Protocol):
    """One vendor's protocol, pure.

    A call in the vendor's own wire is passed on with a few members replaced; any other is translated through the domain's words.
    `stream_type` is the media type of its streams.
    """

    stream_type: bytes

    def headers(self, api_key: str | None) -> bytes:
        """The header lines every request carries, credential included."""
        ...

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """The request for this vendor. Raises: Unsupported, naming the field that the vendor cannot express; InvalidRequest."""
        ...

    def immediate(self, call: ModelCall) -> Whole | None:
        """The answer, where this vendor has no endpoint for the call and we can answer it ourselves without asking anybody."""
        ...

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The complete answer, in the caller's wire. Raises: UpstreamRejected where `body` is not the vendor's protocol."""
        ...

    def scan(self, call: ModelCall) -> StreamScan:
        """A fresh reader of one streamed answer."""
        ...

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """What a status that is not 200 means, and whether another deployment might do better."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A dialect that speaks differently to each deployment: its region, or the version of its API, is part of every request."""

    def at(self, deployment: Deployment) -> Dialect:
        """The dialect for this deployment. Raises: Unavailable, saying what its configuration lacks."""
        ...


@runtime_checkable
class Addressing(Protocol):
    """A dialect of a protocol that others have at other addresses: its requests, however they were made, go to its own."""

    def address(self, target: bytes) -> bytes:
        """The path and query here of what the protocol has at `target`."""
        ...


# The credential's header lines for one request: its method, its path with the query exactly as they are sent, its content type and its
# body, at a moment in seconds since the epoch.
Signer = Callable[[bytes, bytes, bytes, bytes, float], bytes]


@runtime_checkable
class Signing(Protocol):
    """A dialect whose requests can be signed, each by itself, in place of carrying a key."""

    def signer(self, credentials: Mapping[str, str], host: str) -> Signer:
        """What signs requests to `host` (as the Host header says it). Raises: Unavailable where a credential is missing."""
        ...
