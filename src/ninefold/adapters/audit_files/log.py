"""The audit log as files in one folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ninefold.adapters.audit_files.groups import GROUP, HASH_BYTES, append_durably, cut, group_path, replace_durably
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.ports.audit_log import Standing

_STANDING, _NOTES, _LOCK = "standing.json", "checkpoints", "lock"


class _Written(msgspec.Struct):
    """The standing as its file holds it; `tail_bytes` is the length of the last file of leaves."""

    size: int
    tail_bytes: int
    note: str
    state: str


class FolderAuditLog:
    """Implements `ninefold.ports.audit_log.AuditLog`.

    `leaves/NNNNNN.ndjson` and `tiles/LEVEL/NNNNNN` hold 65,536 leaves or hashes each and only ever grow. `standing.json` is replaced
    once they are on disk: that is the commit. What lies beyond it was never signed, and the next writer cuts it off. Then the note is
    added to `checkpoints`; where that did not happen any more, the next writer does it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1
        self._written = _Written(0, 0, "", "")

    def open(self) -> Standing:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            self._written = self._read() or self._first()
            self._cut()
            if not (self._folder / _NOTES).exists() or not self.notes().endswith(self._written.note):
                self._mend_notes()
        except OSError as error:
            self.close()
            raise Unavailable(f"the audit log in {self._folder} cannot be opened: {error.strerror}") from error
        except Conflict:
            self.close()
            raise
        return _standing(self._written)

    def append(self, leaves: Sequence[bytes], hashes: Mapping[int, bytes], standing: Standing) -> None:
        assert self._lock >= 0
        assert standing.size == self._written.size + len(leaves)
        try:
            tail_bytes = self._append_leaves(leaves)
            for level, data in hashes.items():
                self._append_hashes(level, self._written.size >> (8 * level), data)
            written = _Written(standing.size, tail_bytes, standing.note, standing.state.decode())
            replace_durably(self._folder / _STANDING, msgspec.json.encode(written))
            if standing.note != self._written.note:
                append_durably(self._folder / _NOTES, standing.note.encode())
            self._written = written
        except OSError as error:
            raise Unavailable(f"the audit log in {self._folder} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def standing(self) -> Standing | None:
        written = self._read()
        return None if written is None else _standing(written)

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        for number in range(start // GROUP, (stop + GROUP - 1) // GROUP):
            first = number * GROUP
            try:
                data = group_path(self._folder, "leaves", number).read_bytes()
            except FileNotFoundError:
                return
            except OSError as error:
                raise Unavailable(f"the audit log's leaves cannot be read: {error.strerror}") from error
            lines = data.split(b"\n")
            # Behind the last newline there is nothing, or a line that is being written or was cut.
            lines.pop()
            yield from lines[max(start - first, 0) : stop - first]
            if len(lines) < min(stop - first, GROUP):
                return

    def hashes(self, level: int, start: int, stop: int) -> bytes:
        found = bytearray()
        for number in range(start // GROUP, (stop + GROUP - 1) // GROUP):
            first = number * GROUP
            begin, end = max(start - first, 0), min(stop - first, GROUP)
            try:
                with group_path(self._folder, f"tiles/{level}", number).open("rb") as file:
                    file.seek(begin * HASH_BYTES)
                    data = file.read((end - begin) * HASH_BYTES)
            except FileNotFoundError:
                break
            except OSError as error:
                raise Unavailable(f"the audit log's tiles cannot be read: {error.strerror}") from error
            found += data
            if len(data) < (end - begin) * HASH_BYTES:
                break
        return bytes(found)

    def notes(self) -> str:
        try:
            return (self._folder / _NOTES).read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise Unavailable(f"the audit log's checkpoints cannot be read: {error.strerror}") from error

    def _take_lock(self) -> None:
        if self._lock < 0:
            self._lock = os.open(self._folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another living process writes the audit log in {self._folder}") from error

    def _read(self) -> _Written | None:
        try:
            return msgspec.json.decode((self._folder / _STANDING).read_bytes(), type=_Written)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise Conflict(f"{self._folder / _STANDING} cannot be understood: restore it from a copy of the folder") from error
        except OSError as error:
            raise Unavailable(f"the audit log's standing cannot be read: {error.strerror}") from error

    def _first(self) -> _Written:
        """The standing of a log that begins now."""
        if (self._folder / "leaves").exists():
            raise Conflict(f"{self._folder} has leaves and no {_STANDING}: restore it from a copy of the folder")
        written = _Written(0, 0, "", "")
        # Before the first leaf: from now on leaves without it are damage, not a beginning.
        replace_durably(self._folder / _STANDING, msgspec.json.encode(written))
        return written

    def _cut(self) -> None:
        """Every file is as long as the standing says. Raises: Conflict where one is shorter."""
        size = self._written.size
        for kind in ("leaves", *(f"tiles/{level}" for level in range(8))):
            count = size if kind == "leaves" else size >> (8 * int(kind[-1]))
            last, rest = divmod(count, GROUP)
            within = self._written.tail_bytes if kind == "leaves" else rest * HASH_BYTES
            if last and not rest:
                last, within = last - 1, (within if kind == "leaves" else GROUP * HASH_BYTES)
            cut(group_path(self._folder, kind, last), within)
            while (beyond := group_path(self._folder, kind, last + 1)).exists():
                cut(beyond, 0)
                last += 1

    def _append_leaves(self, leaves: Sequence[bytes]) -> int:
        """Returns the length of the last file."""
        at, tail_bytes = self._written.size, self._written.tail_bytes
        while leaves:
            number, place = divmod(at, GROUP)
            part, leaves = leaves[: GROUP - place], leaves[GROUP - place :]
            data = b"\n".join(part) + b"\n"
            tail_bytes = len(data) + (tail_bytes if place else 0)
            append_durably(group_path(self._folder, "leaves", number), data)
            at += len(part)
        return tail_bytes

    def _append_hashes(self, level: int, at: int, data: bytes) -> None:
        while data:
            number, place = divmod(at, GROUP)
            room = (GROUP - place) * HASH_BYTES
            append_durably(group_path(self._folder, f"tiles/{level}", number), data[:room])
            at += min(len(data), room) // HASH_BYTES
            data = data[room:]

    def _mend_notes(self) -> None:
        """The newest note is in the file; what was torn when its writer died is not."""
        path = self._folder / _NOTES
        whole = self.notes()
        if whole and not whole.endswith("\n"):
            whole = whole[: whole.rfind("\n") + 1]
        # A note ends with its only line that begins with a dash.
        signed = whole.rfind("\n\N{EM DASH} ")
        end = whole.find("\n", signed + 1) + 1 if signed >= 0 else 0
        if path.exists():
            cut(path, len(whole[:end].encode()))
        if not whole[:end].endswith(self._written.note):
            append_durably(path, self._written.note.encode())


def _standing(written: _Written) -> Standing:
    return Standing(size=written.size, note=written.note, state=written.state.encode())
