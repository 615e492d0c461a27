"""From a credential in a request's headers to the one who asks, without asking a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from ninefold.domain.errors import Conflict, InvalidRequest, Unauthenticated
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Snapshot

_NEVER = float("inf")


class KeyIndex:
    """The keys of one snapshot by their digests, without those in `revoked` (key ids that the delta log named since)."""

    __slots__ = ("_by_digest", "_digest_of")

    def __init__(self, snapshot: Snapshot, *, revoked: Iterable[str] = ()) -> None:
        """Raises: Conflict where two keys share one secret, so that nobody could say who pays."""
        gone = frozenset(revoked)
        self._by_digest: dict[str, tuple[float, Principal]] = {}
        self._digest_of: dict[str, str] = {}
        for key in snapshot.keys:
            holder = self._by_digest.get(key.digest)
            if holder is not None:
                other = holder[1]
                raise Conflict(f"keys {other.key_name!r} of {other.tenant!r} and {key.name!r} of {key.tenant!r} share a secret: change one")
            if key.key_id in gone:
                continue
            principal = Principal(tenant=key.tenant, key_id=key.key_id, key_name=key.name, attribution=key.attribution, chain=(key.key_id,))
            self._by_digest[key.digest] = (_NEVER if key.expires_at is None else key.expires_at, principal)
            self._digest_of[key.key_id] = key.digest

    def revoke(self, key_id: str) -> None:
        """The key is not accepted any more; a key that is not here is no error."""
        digest = self._digest_of.pop(key_id, None)
        if digest is not None:
            del self._by_digest[digest]

    def holder(self, key_id: str, now: float) -> Principal:
        """Who holds the key of this id at `now`, for work that goes on after its request. Raises: Unauthenticated."""
        found = self._by_digest.get(self._digest_of.get(key_id, ""))
        if found is None:
            raise Unauthenticated("this API key is not valid any more: it was revoked")
        if found[0] <= now:
            raise Unauthenticated("this API key has expired: ask for a new one")
        return found[1]

    def find(self, digest: str) -> tuple[float, Principal] | None:
        """When the key of this digest expires (infinity: never), and its principal."""
        return self._by_digest.get(digest)


def authenticate(index: KeyIndex, headers: Mapping[str, str], now: float) -> Principal:
    """Who shows the credential in `headers` (lower-case names) at `now` (seconds since the epoch).

    `Authorization: Bearer`, `x-api-key` and `x-goog-api-key` are equal; the same credential in several of them is fine.
    Raises: Unauthenticated where there is none, or it is unknown, revoked or expired; InvalidRequest where there are two different ones.
    """
    secret = _secret(headers)
    # SHA-256 costs 0.5 µs: a cache of secrets would save less than it would expose.
    found = index.find(sha256(secret.encode() if secret.isascii() else _on_the_wire(secret)).hexdigest())
    if found is None:
        raise Unauthenticated("this API key is not valid: nobody holds it, or it was revoked")
    expires_at, principal = found
    if expires_at <= now:
        raise Unauthenticated("this API key has expired: ask for a new one")
    return principal


def _secret(headers: Mapping[str, str]) -> str:
    authorization = headers.get("authorization")
    secret = authorization[7:].strip() if authorization is not None and authorization[:7].lower() == "bearer " else ""
    anthropic, google = headers.get("x-api-key"), headers.get("x-goog-api-key")
    if anthropic is not None or google is not None:
        shown = {secret, (anthropic or "").strip(), (google or "").strip()} - {""}
        if len(shown) > 1:
            raise InvalidRequest("the request carries two different API keys: send one", param="authorization")
        secret = shown.pop() if shown else ""
    if secret:
        return secret
    if authorization is not None:
        raise Unauthenticated("the Authorization header is not of the form 'Bearer <API key>'")
    raise Unauthenticated("send an API key as 'Authorization: Bearer <API key>', x-api-key or x-goog-api-key")


def _on_the_wire(secret: str) -> bytes:
    """The bytes that the client sent: servers decode headers as Latin-1, which loses nothing."""
    try:
        return secret.encode("latin-1")
    except UnicodeEncodeError:
        return secret.encode(errors="surrogatepass")
