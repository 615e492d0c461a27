"""What a log says of itself and signs: its name, its size and its root, as a signed note."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from ninefold.audit.merkle import HASH_BYTES
from ninefold.domain.errors import InvalidRequest

# Source: C2SP signed-note, "Signature types": Ed25519 is 1.
_ED25519 = b"\x01"
_ID_BYTES = 4
_DASH = "\N{EM DASH} "
# (public key, message, signature) → whether it is a true one.
Verify = Callable[[bytes, bytes, bytes], bool]
# The signature of a message.
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tree of the first `size` leaves of the log `origin` has this `root`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed. Source: C2SP tlog-checkpoint, "Note text"."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """Whose signature counts: the log's name and its Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys apart. Source: C2SP signed-note, "Signatures"."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    def text(self) -> str:
        """The key as one line. Source: C2SP signed-note, "Verifier keys"."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


def parse_key(text: str) -> LogKey:
    """The key that `LogKey.text` wrote. Raises: InvalidRequest."""
    name, _, rest = text.strip().partition("+")
    shown, _, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
        key = LogKey(name=name, public=data[1:])
        if name and data[:1] == _ED25519 and len(data) == 1 + HASH_BYTES and bytes.fromhex(shown) == key.key_id:
            return key
    except (binascii.Error, ValueError):
        pass  # told below, with what was expected
    raise InvalidRequest("this is not the public key of an audit log: it reads NAME+8 hex digits+base64", param="key")


def sign_note(checkpoint: Checkpoint, key: LogKey, sign: Sign) -> str:
    """The checkpoint with its signature."""
    text = checkpoint.text()
    signature = base64.b64encode(key.key_id + sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def open_note(note: str, key: LogKey, verify: Verify) -> Checkpoint:
    """The checkpoint that `key` has signed. Raises: InvalidRequest with what is wrong with it."""
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3:
        raise InvalidRequest("it is not a signed note of a checkpoint")
    message = (text + "\n").encode()
    if not any(verify(key.public, message, signature) for signature in _signatures(signatures, key)):
        raise InvalidRequest(f"no signature of {key.name} is on it, or not over this text")
    checkpoint = _parse(lines)
    if checkpoint.origin != key.name:
        raise InvalidRequest(f"it is of another log, {checkpoint.origin}")
    return checkpoint


def split_notes(text: str) -> Iterator[str]:
    """The notes that stand one behind the other in `text`; the last one may be torn."""
    lines: list[str] = []
    signed = False
    for line in text.splitlines(keepends=True):
        if signed and not line.startswith(_DASH):
            yield "".join(lines)
            lines, signed = [], False
        lines.append(line)
        signed = signed or line.startswith(_DASH)
    if lines:
        yield "".join(lines)


def _signatures(text: str, key: LogKey) -> Iterator[bytes]:
    for line in text.split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or name != key.name:
            continue
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue  # a signature that cannot be read is none
        if data[:_ID_BYTES] == key.key_id:
            yield data[_ID_BYTES:]


def _parse(lines: list[str]) -> Checkpoint:
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error:
        root = b""
    if not lines[1].isascii() or not lines[1].isdigit() or len(root) != HASH_BYTES:
        raise InvalidRequest("its second line is no size, or its third no hash")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)
