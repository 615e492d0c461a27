"""A deployment as an HTTP client needs it, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Deployment, SecretRef
from ninefold.ports.http_client import Origin
from ninefold.wire.dialects.dialect import Dialect

# Finds a secret; raises Unavailable, naming the reference, where it cannot be found.
SecretReader = Callable[[SecretRef], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect, the path everything starts with, and the header lines every request carries."""

    dialect: Dialect
    origin: Origin
    path: bytes
    headers: bytes


def target_of(deployment: Deployment, dialect: Dialect, secret: SecretReader) -> Target:
    """The target. Raises: Unavailable where the base URL or the secret is unusable."""
    base = deployment.base_url
    if base.startswith("unix:"):
        origin = Origin(host="localhost", port=0, unix_path=base.removeprefix("unix:"))
        path = b"/v1"
    else:
        parts = urlsplit(base)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Unavailable(f"The base URL of deployment {deployment.name} is not an http(s) address.")
        tls = parts.scheme == "https"
        origin = Origin(
            host=parts.hostname,
            port=parts.port or (443 if tls else 80),
            tls=tls,
            proxy=deployment.proxy,
            ca_file=deployment.ca_file,
        )
        path = parts.path.rstrip("/").encode()
    key = None if deployment.api_key is None else secret(deployment.api_key)
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in deployment.headers)
    return Target(dialect=dialect, origin=origin, path=path, headers=dialect.headers(key) + lines)
