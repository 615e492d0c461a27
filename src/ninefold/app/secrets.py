"""Turns references to secrets into secrets, at the last moment and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ninefold.domain.errors import Unavailable
from ninefold.domain.snapshot import SecretRef

SecretReader = Callable[[SecretRef], str]
_MAX_SECRET_BYTES = 64 * 1024


class SecretMissing(Unavailable):
    """A reference leads to nothing; the message names the variable or the file, never what was found there."""

    code = "secret_missing"


class Secrets:
    """Reads the process's environment and files. Files are read anew each time, so that a rotated secret counts at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, ref: SecretRef) -> str:
        """The secret, without a final line break. Raises: SecretMissing, also where it is empty or no text."""
        if ref.kind == "env":
            value = self._environ.get(ref.where, "")
            if not value:
                raise SecretMissing(f"the environment variable {ref.where} is not set")
            return _one_line(value, f"the environment variable {ref.where}")
        if ref.kind != "file":
            raise SecretMissing(f"a secret is an env or a file, not a {ref.kind}")
        return _read_file(Path(ref.where))


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretMissing(f"the secret file {path} cannot be read: {error.strerror or 'unknown reason'}") from None
    except UnicodeDecodeError:
        raise SecretMissing(f"the secret file {path} is not UTF-8 text") from None
    if len(data) > _MAX_SECRET_BYTES:
        raise SecretMissing(f"the secret file {path} is larger than {_MAX_SECRET_BYTES:,} bytes")
    if not text:
        raise SecretMissing(f"the secret file {path} is empty")
    return _one_line(text, f"the secret file {path}")


def _one_line(text: str, where: str) -> str:
    """`text`, which will stand in a header: a line break in it could add headers of its own."""
    if any(sign in text for sign in "\r\n\0"):
        raise SecretMissing(f"{where} holds more than one line")
    return text
