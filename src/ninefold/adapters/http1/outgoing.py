"""The bytes of a request, as they go out."""

from __future__ import annotations

import re

from ninefold.ports.http_client import Origin, TransportFailed

# Up to this size head and body leave in one write; larger bodies are written in slices of it, while the peer keeps up.
SLICE_BYTES = 64 * 1024

_BODILESS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE"))
_SAYS_CLOSE = re.compile(rb"(?:^|\n)connection:[^\r\n]*\bclose\b", re.IGNORECASE)


def authority(origin: Origin) -> bytes:
    """The value of the Host header: the port is left out where it is the scheme's own, an IPv6 address stands in brackets.

    Raises: TransportFailed where the host cannot be a host's name.
    """
    host = origin.host.strip("[]")
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError as exc:
        raise TransportFailed("The upstream's host is not a valid name.", sent=False) from exc
    if not name or len(name.split()) != 1 or b"/" in name or b"@" in name:
        raise TransportFailed("The upstream's host is not a valid name.", sent=False)
    if b":" in name:
        name = b"[%b]" % name
    return name if origin.port == (443 if origin.tls else 80) else b"%b:%d" % (name, origin.port)


def compose(origin_lines: bytes, method: bytes, target: bytes, headers: bytes, body: bytes) -> bytes:
    """The request's first bytes, with the body where it is small. `origin_lines` follow the target in every request to the origin.

    Raises: TransportFailed where the target would end the request line: it may hold words of a caller (a model's name, a path), and a
    line break in it would smuggle a second request. Header lines are written by adapters from values that cannot hold one.
    """
    if target.split() != [target]:
        raise TransportFailed("The request was not sent: its target is not a single word.", sent=False)
    length = len(body)
    if not length and method in _BODILESS:
        return b"".join((method, b" ", target, origin_lines, headers, b"\r\n"))
    inline = body if length <= SLICE_BYTES else b""
    return b"".join((method, b" ", target, origin_lines, b"content-length: ", b"%d\r\n" % length, headers, b"\r\n", inline))


def says_close(headers: bytes) -> bool:
    """Whether the header lines ask that the connection be closed after the answer."""
    return _SAYS_CLOSE.search(headers) is not None
