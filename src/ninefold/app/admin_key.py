"""The admin key of the control plane: made once, shown in one file, kept as a digest."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from ninefold.domain.errors import Unavailable
from ninefold.identity.api_keys import ENTROPY_BYTES, digest, new_secret

KEY_FILE = "admin.key"
DIGEST_FILE = "admin.key.sha256"


def ensure_admin_key(data_dir: Path) -> Path | None:
    """The file of a key that was made just now, None where there is one already.

    Its owner may move the key away: only the digest is needed. Removing the digest makes a new key at the next start.
    """
    shadow = data_dir / DIGEST_FILE
    if shadow.exists():
        return None
    secret = new_secret(os.urandom(ENTROPY_BYTES))
    _write_private(data_dir / KEY_FILE, secret)
    # Last, so that a crash in between leaves no digest whose key nobody has.
    _write_private(shadow, digest(secret))
    return data_dir / KEY_FILE


class AdminKey:
    """Recognises the admin key; a new one counts after the next start."""

    def __init__(self, data_dir: Path) -> None:
        """Raises: Unavailable where no key was ever made."""
        try:
            self._digest = (data_dir / DIGEST_FILE).read_text(encoding="ascii").strip()
        except OSError as error:
            raise Unavailable(f"{data_dir / DIGEST_FILE} cannot be read: `ninefold up` makes it") from error

    def matches(self, secret: str) -> bool:
        """Whether this is the key; takes the same time whatever is shown."""
        return hmac.compare_digest(digest(secret), self._digest)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
