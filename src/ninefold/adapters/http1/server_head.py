"""A request's head: parsed by llhttp in its strict mode, then held to the rules of RFC 9112 that llhttp leaves to its caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ninefold.domain.errors import InvalidRequest

CHUNKED = -1
_SLASH = ord("/")

_METHODS = {name.encode("ascii"): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_LOWER_NAMES = (
    "accept", "accept-encoding", "accept-language", "anthropic-beta", "anthropic-version", "api-key", "authorization",
    "cache-control", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host",
    "idempotency-key", "openai-organization", "openai-project", "origin", "referer", "traceparent", "tracestate", "transfer-encoding",
    "upgrade", "user-agent", "via", "x-api-key", "x-forwarded-for", "x-forwarded-proto", "x-goog-api-key", "x-request-id",
    "x-stainless-arch", "x-stainless-async", "x-stainless-lang", "x-stainless-os", "x-stainless-package-version",
    "x-stainless-read-timeout", "x-stainless-retry-count", "x-stainless-runtime", "x-stainless-runtime-version",
    "x-stainless-timeout",
)  # fmt: skip
# The two spellings that clients send; a fixed table, so that nobody can fill it with names of his own.
_NAMES = {spelling.encode("ascii"): name for name in _LOWER_NAMES for spelling in (name, name.title())}
# A name, an IPv4 or bracketed IPv6 address, and perhaps a port: RFC 3986 section 3.2.2 without percent-encoding and user info.
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_PATH = re.compile(rb"[A-Z]{1,16} (/[!-\"$->@-~]{0,255})")


@dataclass(slots=True)
class RequestHead:
    """What a head says; exchanges with the same head share it. `length` is the body's, in bytes, or CHUNKED."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    keep_alive: bool
    chunks_understood: bool
    expects_continue: bool


class _Headers(dict[bytes, bytes]):
    """The parser's own callback is the dict's C slot: a Python frame for each header would cost 0.15 us. A repeated name shows as a
    dict that is too short.
    """

    __slots__ = ()
    on_header = dict.__setitem__


class _Pairs(list[tuple[bytes, bytes]]):
    __slots__ = ()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.append((name, value))


class HeadProbe:
    """Finds out early that what has arrived of a head cannot become a valid one."""

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        self._parser = HttpRequestParser(None)

    def feed(self, data: bytes) -> None:
        """The head may still be valid. Raises: InvalidRequest."""
        _feed(self._parser, data)


def parse_head(head: bytes, max_headers: int) -> RequestHead:
    """The request that `head`, which ends with its first empty line, announces.

    Raises: InvalidRequest for anything that another server might read differently (RFC 9112 sections 3, 5, 6 and 11.2).
    """
    count = head.count(b"\r\n") - 2
    if count > max_headers:
        raise InvalidRequest(f"The request has more than {max_headers} header lines: send fewer.")
    try:
        verb, target, rest = head.split(b" ", 2)
        method = _METHODS[verb]
    except (ValueError, KeyError):
        raise InvalidRequest("The request line is not one that this server knows: send METHOD /path HTTP/1.1.") from None
    modern = rest.startswith(b"HTTP/1.1\r\n")
    if not modern and not rest.startswith(b"HTTP/1.0\r\n"):
        raise InvalidRequest("The protocol is not spoken here: send HTTP/1.1.")
    raw = _Headers()
    _feed(HttpRequestParser(raw), head)
    headers = {_NAMES.get(name) or name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, value in raw.items()}
    if len(headers) != count:
        headers = _joined(head, count)
    # Whole URLs are for proxies and authorities for CONNECT; here they could only make two servers see two targets.
    if target[0] != _SLASH and not (target == b"*" and method == "OPTIONS"):
        raise InvalidRequest("The request target is not a path: send /path?query.")
    if b"#" in target or not target.isascii():
        raise InvalidRequest("The request target has characters that must be percent-encoded.")
    path, _, query = target.decode("ascii").partition("?")
    host = headers.get("host")
    if host is None:
        if modern:
            raise InvalidRequest("The host header is missing.")
    elif not _is_host(host):
        raise InvalidRequest("The host header is not a host.")
    return RequestHead(
        method,
        path,
        query,
        headers,
        _length(headers, modern=modern),
        modern and ("connection" not in headers or "close" not in headers["connection"].lower()),
        modern,
        modern and "expect" in headers and headers["expect"].lower() == "100-continue",
    )


def path_of(head: bytes) -> str:
    """The path of a head that was refused, as far as it can be told, so that the refusal can speak the caller's dialect."""
    found = _PATH.match(head)
    return found.group(1).decode("ascii") if found else ""


def _feed(parser: HttpRequestParser, data: bytes) -> None:
    try:
        parser.feed_data(data)
    except HttpParserUpgrade:
        return  # the other protocol is not spoken here, and RFC 9110 section 7.8 lets a server ignore the wish
    except HttpParserError as error:
        raise InvalidRequest(f"The request is not valid HTTP/1.1: {error}.") from None


def _joined(head: bytes, count: int) -> dict[str, str]:
    """The headers where names are repeated. A repeated host is no host, a repeated coding is not chunked, and llhttp refuses lengths."""
    pairs = _Pairs()
    _feed(HttpRequestParser(pairs), head)
    if len(pairs) != count:
        raise InvalidRequest("The request's header lines cannot be told apart.")
    headers: dict[str, str] = {}
    for raw, value in pairs:
        name = raw.decode("latin-1").lower()
        if name in headers:
            headers[name] += ", " + value.strip().decode("latin-1")
        else:
            headers[name] = value.strip().decode("latin-1")
    return headers


def _length(headers: dict[str, str], *, modern: bool) -> int:
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        coding = headers["transfer-encoding"]
        if length is not None or not modern or coding.lower() != "chunked":
            raise InvalidRequest("The body's length is ambiguous: send content-length, or exactly transfer-encoding: chunked.")
        return CHUNKED
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise InvalidRequest("The content-length header is not a length.")
    return int(length)


@lru_cache(maxsize=256)
def _is_host(host: str) -> bool:
    return _HOST.fullmatch(host) is not None
