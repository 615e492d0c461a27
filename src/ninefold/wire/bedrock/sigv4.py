"""Requests signed by AWS Signature Version 4.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote, unquote_plus

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Whose request it is; temporary credentials have a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is signed: the path and query as they will be sent, and the headers (at least the host) that must not change on the way."""

    method: str
    path: str
    body: bytes
    headers: Sequence[tuple[str, str]]
    query: str = ""


def sign(request: Request, credentials: Credentials, *, region: str, service: str, at: float) -> list[tuple[str, str]]:
    """The header lines that have to be added; `at` is in seconds since the epoch, and AWS accepts five minutes on either side of it."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    added = [("x-amz-date", moment)]
    if credentials.session_token:
        added.append(("x-amz-security-token", credentials.session_token))
    signed = sorted((name.lower(), " ".join(value.split())) for name, value in [*request.headers, *added])
    names = ";".join(name for name, _ in signed)
    canonical = "\n".join(
        (
            request.method,
            _path(request.path),
            _query(request.query),
            *(f"{name}:{value}" for name, value in signed),
            "",
            names,
            sha256(request.body).hexdigest(),
        )
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + credentials.secret_access_key.encode()
    for step in (moment[:8], region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return [*added, ("authorization", authorization)]


def _path(path: str) -> str:
    """The path without dot segments, encoded once more than it is sent: every service but S3 wants that."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in {"", "."}:
            kept.append(segment)
    closing = "/" if kept and path.endswith("/") else ""
    return quote("/" + "/".join(kept) + closing, safe="/-_.~")


def _query(query: str) -> str:
    if not query:
        return ""
    pairs: list[str] = []
    for member in query.split("&"):
        name, _, value = member.partition("=")
        pairs.append(f"{quote(unquote_plus(name), safe='-_.~')}={quote(unquote_plus(value), safe='-_.~')}")
    return "&".join(sorted(pairs))
