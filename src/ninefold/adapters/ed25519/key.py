"""The key that signs the audit log's checkpoints."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ninefold.domain.errors import Conflict, Unavailable


class SigningKey:
    """An Ed25519 key in a file that its owner alone can read."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def ensure(cls, path: Path) -> SigningKey:
        """The key in `path`, made now where there is none. Raises: Conflict where the file holds something else; Unavailable."""
        try:
            try:
                text = path.read_text(encoding="ascii")
            except FileNotFoundError:
                text = base64.b64encode(os.urandom(32)).decode()
                _write_private(path, text)
            seed = base64.b64decode(text.strip(), validate=True)
            return cls(seed)
        except OSError as error:
            raise Unavailable(f"the audit log's key {path} cannot be read or made: {error.strerror}") from error
        except (ValueError, binascii.Error) as error:
            raise Conflict(f"{path} is no key: put the right one back; a new one would be a new log") from error

    @property
    def public(self) -> bytes:
        """The public key's 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""
        return self._key.sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of `public` has signed `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
