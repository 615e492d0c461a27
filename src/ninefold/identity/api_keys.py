"""Ninefold's own API keys: `nf_`, 256 random bits, and a checksum that lets a scanner or a client spot a mistyped or leaked one."""

from __future__ import annotations

import hashlib
import re
import zlib

PREFIX = "nf_"
ENTROPY_BYTES = 32

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_DIGITS = 43  # 62**43 > 2**256
_CHECK_DIGITS = 6  # 62**6 > 2**32
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_BODY_DIGITS + _CHECK_DIGITS}}}", re.ASCII)


def new_secret(entropy: bytes) -> str:
    """A key made of 32 random bytes, 52 characters long; a secret scanner finds it with `nf_[0-9A-Za-z]{49}`."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key needs exactly {ENTROPY_BYTES} random bytes")
    body = PREFIX + _base62(int.from_bytes(entropy, "big"), _BODY_DIGITS)
    return body + _checksum(body)


def looks_like_ours(secret: str) -> bool:
    """Whether `secret` has the shape and the checksum of a key of ours; whether anybody holds it is another question."""
    return _SHAPE.fullmatch(secret) is not None and _checksum(secret[:-_CHECK_DIGITS]) == secret[-_CHECK_DIGITS:]


def digest(secret: str) -> str:
    """The SHA-256 of any secret in hex, which is all that is ever stored. A slow hash is for what people choose, not for 256 bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    """`number` in base 62, most significant digit first, padded with zeros."""
    out: list[str] = []
    for _ in range(digits):
        number, rest = divmod(number, 62)
        out.append(_ALPHABET[rest])
    return "".join(reversed(out))
