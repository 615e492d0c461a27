"""A deployment as an HTTP client needs it, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ninefold.adapters.vendor_http.keys import KeyRing
from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import Deployment, SecretRef
from ninefold.ports.http_client import Origin
from ninefold.wire.dialects.dialect import Addressing, Dialect, Placed, Signer, Signing
from ninefold.wire.dialects.native import natively

# Finds a secret; raises Unavailable, naming the reference, where it cannot be found.
SecretReader = Callable[[SecretRef], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect, the path everything starts with, and the header lines every request carries: with one of the `keys`, or, where
    there is a `signer`, without any. A deployment of one key or none has no `keys`. `address` moves what the dialect asks for to where
    this vendor has it."""

    dialect: Dialect
    origin: Origin
    path: bytes
    headers: bytes
    keys: KeyRing | None = None
    signer: Signer | None = None
    address: Callable[[bytes], bytes] | None = None


def target_of(deployment: Deployment, dialect: Dialect, secret: SecretReader) -> Target:
    """The target. Raises: Unavailable where the base URL or a secret is unusable."""
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
    if isinstance(dialect, Placed):
        dialect = dialect.at(deployment)
    more = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in deployment.headers)
    references = deployment.api_keys or (() if deployment.api_key is None else (deployment.api_key,))
    signer = None
    if deployment.credentials and not references and isinstance(dialect, Signing):
        signer = dialect.signer({name: secret(where) for name, where in deployment.credentials}, _host(origin))
    lines = tuple(dialect.headers(key) + more for key in map(secret, references)) or (dialect.headers(None) + more,)
    return Target(
        dialect=natively(dialect, deployment.operations),
        origin=origin,
        path=path,
        headers=lines[0],
        keys=KeyRing(lines) if len(lines) > 1 else None,
        signer=signer,
        address=dialect.address if isinstance(dialect, Addressing) else None,
    )


def _host(origin: Origin) -> str:
    """The Host header as the HTTP client writes it. Source: RFC 9110 §7.2, RFC 3986 §3.2.2."""
    name = f"[{origin.host}]" if ":" in origin.host else origin.host
    return name if origin.port == (443 if origin.tls else 80) else f"{name}:{origin.port}"
